// Players: one at a time, a needle on the picture that follows the sound, and a click on the picture to go there.
for (const clip of document.querySelectorAll(".clip")) {
  const sound = clip.querySelector("audio");
  const frame = clip.querySelector(".frame");
  const needle = clip.querySelector(".needle");
  const head = clip.querySelector(".playhead");
  const line = clip.querySelector("svg.timeline");
  const scroll = clip.querySelector(".scroll");
  const seconds = Number(clip.dataset.seconds);

  function follow() {
    const share = sound.currentTime / seconds;
    if (needle) needle.style.left = `${100 * share}%`;
    if (head) {
      const x = share * line.viewBox.baseVal.width;
      head.setAttribute("transform", `translate(${x} 0)`);
      const right = scroll.scrollLeft + scroll.clientWidth;
      if (!sound.paused && (x > right - 60 || x < scroll.scrollLeft)) scroll.scrollLeft = x - 60;
    }
    if (!sound.paused) requestAnimationFrame(follow);
  }
  function more() {
    frame.classList.toggle("more", scroll.scrollLeft + scroll.clientWidth < scroll.scrollWidth - 2);
  }
  if (scroll) {
    scroll.addEventListener("scroll", more);
    window.addEventListener("resize", more);
    more();
  }
  sound.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== sound) other.pause();
    clip.classList.add("playing");
    follow();
  });
  sound.addEventListener("seeked", follow);
  frame.addEventListener("click", (event) => {
    const box = (line || frame).getBoundingClientRect();
    sound.currentTime = Math.max(0, (seconds * (event.clientX - box.left)) / box.width);
    sound.play();
  });
}
