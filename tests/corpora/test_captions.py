"""AudioCaps, Clotho and WavCaps: captioned clips."""

import pytest
from miniatures import noise, prepare, write_files

CLIP = (noise(0.5, 32000), 32000)
EACH = ("--max_rejected", "100%")


def test_audiocaps_finds_clips_by_any_of_their_names(tmp_path):
    header = "audiocap_id,youtube_id,start_time,caption\n"
    captions = "".join(f'{number},-aXb,20,"Rain, take {number}"\n' for number in range(1, 6))
    train = (
        "91139,r1nicOVtvkQ,130,A woman talks nearby\n58146,UDGBjjwyaqE,20,Clanking\n7,gone,0,Gone\n8,x,0,Named by id\n"
    )
    clips = ("train/r1nicOVtvkQ_130.wav", "train/YUDGBjjwyaqE.flac", "train/8.wav", "train/extra.wav", "test/-aXb.wav")
    tables = {"dataset/train.csv": header + train, "dataset/val.csv": header, "dataset/test.csv": header + captions}
    write_files(tmp_path, {**tables, **dict.fromkeys(clips, CLIP)})
    sets = prepare("audiocaps", tmp_path, tmp_path / "w", "--sets", "train", "test", "--parts", "train", "test", *EACH)
    data, rejected = sets["train"]
    assert data.text == {
        "Yr1nicOVtvkQ_130-1": "A woman talks nearby",
        "YUDGBjjwyaqE_20-1": "Clanking",
        "Yx_0-1": "Named by id",
    }
    assert set(rejected) == {"Ygone_0", "Ygone_0-1", "train/extra.wav"}
    test = sets["test"][0]
    assert list(test.text.values()) == [f"Rain, take {number}" for number in range(1, 6)]
    assert set(test.utt2spk.values()) == {"Y-aXb_20"} and {place.end for place in test.segments.values()} == {0.5}


def test_audiocaps_without_clips(tmp_path, capsys):
    write_files(tmp_path, {"train.csv": "audiocap_id,youtube_id,start_time,caption\n1,a,0,b\n"})
    prepare("audiocaps", tmp_path, tmp_path / "w", "--sets", "train", "--parts", "train", status=1)
    assert "with the clips of train.csv, which are YouTube's to give; put there" in capsys.readouterr().err
    write_files(tmp_path, {"train/a_0.wav": CLIP})
    prepare("audiocaps", tmp_path, tmp_path / "w", status=1)
    assert f"no {tmp_path}/val.csv; get AudioCaps (dataset/*.csv) from https://github.com" in capsys.readouterr().err


CLOTHO = "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\n"


def test_clotho_has_five_captions_a_clip(tmp_path):
    captions = ",".join(f'"Rain, {number}"' for number in range(1, 6))
    lines = f"Rain on roof 100%.wav,{captions}\ngone.wav,{captions}\n"
    write_files(
        tmp_path,
        {
            "clotho_captions_development.csv": CLOTHO + lines,
            "clotho_captions_evaluation.csv": CLOTHO + f"a.wav,{captions}\n",
            "development/Rain on roof 100%.wav": CLIP,
            "development/nobody.wav": CLIP,
            "clotho_audio_evaluation/evaluation/a.wav": CLIP,
        },
    )
    options = ("--sets", "train", "test", "--parts", "development", "evaluation")
    sets = prepare("clotho", tmp_path, tmp_path / "w", *options, *EACH)
    data, rejected = sets["train"]
    assert data.wav == {"Rain%20on%20roof%20100%25": str(tmp_path / "development/Rain on roof 100%.wav")}
    assert list(data.text.values()) == [f"Rain, {number}" for number in range(1, 6)]
    assert rejected["nobody"].startswith("no caption of") and "gone.wav: No such file" in rejected["gone-3"]
    assert len(sets["test"][0].utts) == 5


def test_clotho_without_its_archives(tmp_path, capsys):
    prepare("clotho", tmp_path, tmp_path / "w", status=1)
    assert "no clotho_captions_development.csv in" in capsys.readouterr().err
    write_files(tmp_path, {"clotho_captions_development.csv": CLOTHO})
    prepare("clotho", tmp_path, tmp_path / "w", "--sets", "train", "--parts", "development", status=1)
    assert "get and unpack clotho_audio_development.7z from https://zenodo.org" in capsys.readouterr().err
    write_files(tmp_path, {"development/a.wav": CLIP})
    prepare("clotho", tmp_path, tmp_path / "w", status=1)
    assert f"no {tmp_path}/clotho_captions_validation.csv; get it from https://zenodo.org" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


def wavcaps_clip(id, seconds=0.5):
    return {"id": id, "caption": f"Sound {id}.", "duration": seconds, "description": "", "title": ""}


@pytest.fixture
def wavcaps(tmp_path):
    """Three clips of each source; unpacked as the archives of Zip_files do."""
    files = {
        "json_files/blacklist/blacklist_exclude_all_ac.json": {"AudioSet": ["Yb.wav"], "FreeSound": ["2"]},
        "json_files/blacklist/blacklist_exclude_ub8k_esc50_vggsound.json": {"FreeSound": [], "AudioSet": []},
    }
    for source, table, ids in (
        ("FreeSound", "fsd_final", ("1", "2", "3")),
        ("BBC_Sound_Effects", "bbc_final", ("NHU05", "2", "07")),
        ("SoundBible", "sb_final", ("2219", "2218", "2217")),
        ("AudioSet_SL", "as_final", ("Ya.wav", "Yb.wav", "Yc.wav")),
    ):
        clips = [wavcaps_clip(id, 181.0 if id in ("3", "07") else 0.5) for id in ids]
        files[f"json_files/{source}/{table}.json"] = {"num_captions_per_audio": 1, "data": clips}
        for id in ids:
            files[f"unpacked/mnt/fast/waveforms/{source}_flac/{id.split('.')[0]}.flac"] = CLIP
    write_files(tmp_path, files)
    return tmp_path


def test_wavcaps_leaves_out_blacklists_and_long_clips(wavcaps, tmp_path):
    write_files(
        tmp_path, {"json_files/SoundBible/sb_final.json": [wavcaps_clip("2219"), wavcaps_clip("0"), {"id": "x"}]}
    )
    data, rejected = prepare("wavcaps", wavcaps, tmp_path / "w", "--sets", "all", *EACH)["all"]
    texts = data.text
    kept = {"AudioSet_SL-Ya", "AudioSet_SL-Yc", "BBC_Sound_Effects-2", "BBC_Sound_Effects-NHU05", "FreeSound-1"}
    assert texts.keys() == kept | {"SoundBible-2219"} and "No such file" in rejected["SoundBible-0"]
    assert texts["FreeSound-1"] == "Sound 1."
    assert rejected["FreeSound-2"] == rejected["AudioSet_SL-Yb"] == "in blacklist_exclude_all_ac.json"
    assert rejected["FreeSound-3"] == "lasts 181 s, more than --max_seconds 180" == rejected["BBC_Sound_Effects-07"]
    assert "lacks id, caption or duration" in rejected["sb_final.json:2"]
    assert "sb_final.json has no clip" in rejected["SoundBible-2218"]


def test_wavcaps_names_each_missing_source(wavcaps, tmp_path, capsys):
    (wavcaps / "json_files/FreeSound/fsd_final.json").unlink()
    (wavcaps / "unpacked/mnt/fast/waveforms/AudioSet_SL_flac").rename(tmp_path / "AudioSet")
    prepare("wavcaps", wavcaps, tmp_path / "w", status=1)
    error = capsys.readouterr().err
    assert "lacks json_files/FreeSound/fsd_final.json, folder AudioSet_SL_flac (Zip_files/AudioSet_SL)" in error
    assert "https://huggingface.co/datasets/cvssp/WavCaps" in error
    options = ("--sources", "SoundBible", "BBC_Sound_Effects", "--held_out", 1, "--blacklists")
    sets = prepare("wavcaps", wavcaps, tmp_path / "w", *options)
    assert {name: len(data.utts) for name, (data, _) in sets.items()} == {"train": 3, "dev": 1, "test": 1}


def test_wavcaps_without_blacklists_or_with_nothing_usable(wavcaps, tmp_path, capsys):
    blacklist = "json_files/blacklist/blacklist_exclude_all_ac.json"
    write_files(wavcaps, {blacklist: ["1", "2"]})
    prepare("wavcaps", wavcaps, tmp_path / "w", status=1)
    assert f"{wavcaps / blacklist} is no table of lists of ids" in capsys.readouterr().err
    (wavcaps / blacklist).unlink()
    prepare("wavcaps", wavcaps, tmp_path / "w", status=1)
    assert f"lacks {blacklist}; get WavCaps" in capsys.readouterr().err
    write_files(wavcaps, {"json_files/SoundBible/sb_final.json": [None]})
    prepare("wavcaps", wavcaps, tmp_path / "w", "--sources", "SoundBible", "--blacklists", status=1)
    assert "nothing of WavCaps can be used; the first reason: sb_final.json:0 clip 0 lacks" in capsys.readouterr().err
