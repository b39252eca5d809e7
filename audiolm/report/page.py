"""The report: one HTML page that opens offline, with all it shows inside."""

from collections.abc import Callable
from html import escape
from pathlib import Path
from string import Template

from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError
from audiolm.jobs.progress import duration
from audiolm.report import card, codebooks, curves, listen, opening, speakers, tables, timeline
from audiolm.report.environment import environment, trainings
from audiolm.score.results import collect
from audiolm.spec import find_spec, resolve
from audiolm.text.tokenizer import Tokenizer
from audiolm.train.logs import read_metrics
from audiolm.train.reference import NAME, read_reference
from audiolm.train.saved import system_of

HERE = Path(__file__).parent


class Report:
    """What the page is made from.

    Args:
        work: the recipe's work directory (holds data/ dump/ exp/).
        name: the set that is listened to, such as test.
        codec, tokenizer: their directories.
        budget: the recipe's sizes and schedules by their name, such as demo; empty where it is not known.
    """

    def __init__(self, work: Path, name: str, codec: Path, tokenizer: Path, budget: str = ""):
        self.work, self.name, self.codec, self.tokenizer, self.budget = work, name, codec, tokenizer, budget
        self.missing: list[str] = []
        experiments = sorted((work / "exp").glob("*/config.yaml"))
        self.families = list(map(find_spec, dict.fromkeys(system_of(path.parent) for path in experiments)))
        self.generates = any(spec.modes for spec in self.families)

    def page(self, title: str) -> str:
        """The whole page. Sections whose stages have not run are left out, and the page says which.

        Raises:
            AudiolmError: there is nothing to show at all.
        """
        head, trained = self.results_and_headlines(), trainings(self.work)
        sections = [
            ("results", "Results", "Open a row for how its value was computed.", head[1]),
            *self.dialogues(),
            *self.of_codec(),
            *self.generated(),
            *self.of_families(),
            (
                "curves",
                "Learning curves",
                "Every training of this recipe, by step. Shaded: the reference it was compared with, if any. "
                + self.who(),
                self.learning_curves(),
            ),
            ("setting", "Settings", "What was run, and on what.", self.settings()),
        ]
        shown = [(key, name, lead, body) for key, name, lead, body in sections if body]
        if all(key == "setting" for key, *_ in shown):
            raise AudiolmError(f"nothing to report in {self.work}: run some stages of the recipe first")
        nav = "".join(f'<a href="#{key}">{escape(name)}</a>' for key, name, _, _ in shown)
        body = "".join(
            f'<section id="{key}"><h2>{escape(name)}</h2><p>{lead}</p>{body}</section>'
            for key, name, lead, body in shown
        )
        missing = f"Not shown, because it is not there: {escape(', '.join(self.missing))}. " if self.missing else ""
        return Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
            title=escape(title),
            lead=opening.lead(trained, self.budget),
            nav=nav,
            body=opening.banner(trained) + head[0] + body,
            footer=f"{missing}Made by audiolm report from {escape(str(self.work))}.",
            style=(HERE / "page.css").read_text(encoding="utf-8"),
            script=(HERE / "page.js").read_text(encoding="utf-8"),
        )

    def of_codec(self) -> list[tuple[str, str, str, str]]:
        """Sections of recipes with sound."""
        if not (self.generates or (self.work / "dump" / self.name / "audio").is_dir() or self.codec.is_dir()):
            return []
        return [
            ("card", "The codec", card.LEAD, self.card()),
            ("codec", "Through the codec", self.codec_lead(), self.try_to(self.resynthesis, "dump/<set>/codes")),
            ("codebooks", "Codebooks", self.codebooks_lead(), self.try_to(self.codebooks, "dump/<set>/codes")),
        ]

    def of_families(self) -> list[tuple[str, str, str, str]]:
        """The sections that the families of the trained models add."""
        sections = [section for spec in self.families for section in spec.sections]
        return [(each.name, each.title, each.lead, resolve(each.make)(self.work, self.name)) for each in sections]

    def codec_lead(self) -> str:
        """Whose sounds the codec is heard with."""
        folder = self.work / "dump" / self.name / "audio"
        if not folder.is_dir():
            return ""
        known = speakers.trained_on(self.codec, self.work)
        whose = speakers.told(self.name, DataDir.read(folder), known)
        return f"{escape(whose)}, and the same decoded from their codes."

    def codebooks_lead(self) -> str:
        """How to read the figures, and why they are not those of the learning curves."""
        return codebooks.LEAD.format(name=escape(self.name)) + codebooks.beside_training(self.codec)

    def who(self) -> str:
        """Whose the streams of a dialogue LM are; empty where there is none."""
        return tables.WHO if any((self.work / "exp").glob("**/scores/lm_loss_main*.json")) else ""

    def try_to(self, make: Callable[[], str], needs: str) -> str:
        """What ``make`` returns; where the files it needs are not there, nothing, and a note."""
        if any((self.work / "dump" / self.name).glob(needs.removeprefix("dump/<set>/") + "/meta.json")):
            return make()
        self.missing.append(needs.replace("<set>", self.name))
        return ""

    def results_and_headlines(self) -> tuple[str, str]:
        """Tiles and table, both empty where nothing has been scored."""
        if not any((self.work / "exp").glob("**/scores/*.json")):
            self.missing.append("exp/**/scores")
            return "", ""
        rows = collect(self.work)
        return tables.headlines(rows), tables.table(rows)

    def dialogues(self) -> list[tuple[str, str, str, str]]:
        """The section of one dialogue, of recipes that have text streams."""
        if not self.generates and not (self.work / "dump" / self.name / "text").is_dir():
            return []
        self.shown_channels = 0
        picture = self.try_to(self.dialogue, "dump/<set>/text")
        one = self.shown_channels == 1
        lead = timeline.LEAD.format(
            what="One recording" if one else "Both speakers of one conversation", name=escape(self.name)
        )
        return [("dialogue", "One recording" if one else "One dialogue", lead, picture)]

    def dialogue(self) -> str:
        """The timeline of the set's first dialogue."""
        tokenizer = Tokenizer.load(self.tokenizer)
        file, channels = timeline.read_channels(self.work, self.name, tokenizer.checksum)
        self.shown_channels = len(channels)
        return timeline.timeline(channels, tokenizer, file)

    def resynthesis(self) -> str:
        """Originals beside what the codec makes of them; nothing where there is no codec."""
        if not (self.codec / "config.yaml").is_file():
            return ""  # the card says that it is missing
        return listen.resynthesis(self.work, self.name, self.codec, by_level=not self.generates)

    def card(self) -> str:
        """What the codec is, where it is there."""
        if not (self.codec / "config.yaml").is_file():
            self.missing.append(f"{self.codec}/config.yaml")
            return ""
        return card.card(self.codec)

    def codebooks(self) -> str:
        """One chart a level."""
        levels = codebooks.counts(self.work / "dump" / self.name / "codes")
        figures = (codebooks.figure(k, c, card.is_distilled(self.codec)) for k, c in enumerate(levels, start=1))
        return f'<div class="charts">{"".join(figures)}</div>'

    def generated(self) -> list[tuple[str, str, str, str]]:
        """A section for each mode of ``audiolm generate`` and each model that ran it."""
        sections = []
        for mode, told in {name: mode for spec in self.families for name, mode in spec.modes.items()}.items():
            found = (self.work / "exp").glob(f"*/generate/{mode}/meta.jsonl")
            folders = sorted(path.parent for path in found if path.stat().st_size)  # one may have had nothing to do
            for folder in folders:
                model = folder.parents[1].name
                named = f"{told.title} ({model})" if len(folders) > 1 else told.title
                sections.append((f"{mode}-{model}", named, told.lead, self.shown(folder, told.shown_as)))
            if not folders and not told.special:
                self.missing.append(f"exp/*/generate/{mode}")
        return sections

    def shown(self, folder: Path, form: str) -> str:
        """What a mode has generated, in one of the page's forms, or as a function of its family shows it."""
        if form == "transcripts":
            return listen.transcripts(
                folder, listen.references_of(DataDir.read(self.work / "dump" / self.name / "audio"))
            )
        forms = {"conversations": listen.conversations, "speech": listen.speech}
        return (forms[form] if form in forms else resolve(form))(folder)

    def learning_curves(self) -> str:
        """The charts of every experiment."""
        parts = []
        for training in trainings(self.work):
            exp = self.work / "exp" / training.name
            charts = curves.panels(read_metrics(exp / "metrics.jsonl"))
            bands = curves.panels(read_reference(exp / NAME) if (exp / NAME).is_file() else {})
            figures = "".join(curves.chart(title, lines, bands.get(title)) for title, lines in charts.items())
            told = f"{training.steps} steps in {duration(training.seconds)}"
            told += f", {training.size / 1e6:.1f} MB" if training.size else ""
            parts.append(f'<h3>{escape(training.name)} <small>{told}</small></h3><div class="charts">{figures}</div>')
        return "".join(parts)

    def settings(self) -> str:
        """Every config, and the environment of this report."""
        rows = "".join(f"<tr><td>{escape(k)}</td><td>{escape(v)}</td></tr>" for k, v in environment().items())
        files = "".join(
            f'<details class="file"><summary>exp/{escape(path.parent.name)}/config.yaml</summary>'
            f"<pre>{escape(path.read_text(encoding='utf-8'))}</pre></details>"
            for path in sorted((self.work / "exp").glob("*/config.yaml"))
        )
        return f'<div class="wide"><table>{rows}</table></div><h3>Configurations</h3>{files}'
