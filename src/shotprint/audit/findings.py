"""What an audit found, in sentences: serious ones make figures wrong, notes are to be known."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from shotprint.audit.auditing import Audit
from shotprint.audit.confounds import Confound, is_clipped
from shotprint.audit.groups import find_joined
from shotprint.audit.pairs import Pair
from shotprint.audit.records import Clip, Sound

SERIOUS, NOTE = "serious", "note"
SERIOUS_SKILL = 0.05
"""Lower end of the interval above chance, of the way from chance to always right."""
MIN_GROUPS = 10  # fewer make no interval to rely on: such a confound is a note
MAX_OFFSET = 0.01
EMPTY_FROM = 0.85  # of half the sample rate: filters of converters begin above


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a set, or that its user should know.

    Attributes
    ----------
    kind : a word for programs, the same in later versions
    title : what was found and how often, in one line
    text : what it means and how to mend it
    items : recordings, pairs or classes concerned, all of them
    """

    kind: str
    severity: str
    title: str
    text: str
    items: tuple[str, ...]


def list_findings(audit: Audit) -> list[Finding]:
    """Return the findings, serious ones first."""
    found = [
        *_find_unusable(audit.clips),
        *_find_shared(audit),
        *_find_confounds(audit),
        *_find_small(audit),
        *_find_faults(audit.clips),
    ]
    return sorted(found, key=lambda each: each.severity != SERIOUS)


def _find_unusable(clips: Sequence[Clip]) -> Iterator[Finding]:
    failed = [f"{clip.row.recording}: {clip.error}" for clip in clips if clip.sound is None]
    text = "Training and evaluation leave them out. Mend the files or take them off the manifest."
    yield from _list(SERIOUS, "unreadable", "recording{s} that cannot be read", text, failed)
    changed = [
        clip.row.recording
        for clip in clips
        if clip.sha256 and clip.row.sha256 and clip.sha256 != clip.row.sha256
    ]
    text = "Their bytes are not those that the manifest states by its hash. Import the set again."
    yield from _list(SERIOUS, "changed", "recording{s} changed since the import", text, changed)
    silent = [clip.row.recording for clip in clips if clip.sound and clip.sound.is_silent]
    text = "No sample differs from the others by more than a step of 16 bits. Leave them out."
    yield from _list(SERIOUS, "silent", "silent recording{s}", text, silent)


def _find_shared(audit: Audit) -> Iterator[Finding]:
    rows = [clip.row for clip in audit.clips]

    def pick(choose: Callable[[Pair], bool]) -> list[str]:
        return [describe_pair(audit, pair) for pair in audit.pairs if choose(pair)]

    labels = pick(lambda pair: rows[pair.first].label != rows[pair.second].label)
    text = (
        "One of the two labels is wrong, or none can be told from the sound. A model cannot name "
        "both right: leave one side out (shotprint import --exclude)."
    )
    yield from _list(SERIOUS, "two_labels", "pair{s} of one sound under two labels", text, labels)
    if audit.folds is not None:
        folds = audit.folds
        torn = pick(lambda pair: folds[pair.first] != folds[pair.second])
        text = (
            "Training hears what is tested, so the figures are too good. Import the set again "
            "with the proposed groups, and assign folds by groups."
        )
        yield from _list(SERIOUS, "across_folds", "pair{s} of one sound in two folds", text, torn)
    groups = [row.group or row.recording for row in rows]
    apart = pick(lambda pair: groups[pair.first] != groups[pair.second])
    joined = find_joined(groups, audit.proposed)
    text = (
        f"The groups of the manifest keep them apart; the proposed groups join {len(joined)} "
        f"sets of groups ({sum(map(len, joined.values()))} groups). Look at the pairs, then "
        "import the set with groups.csv."
    )
    yield from _list(NOTE, "across_groups", "pair{s} of one sound in two groups", text, apart)
    same = pick(lambda pair: pair.kind in ("bytes", "samples"))
    text = "Identical files or samples count once only, whatever their number."
    yield from _list(NOTE, "identical", "identical pair{s}", text, same)
    alike = pick(lambda pair: pair.shared is not None)
    text = (
        "Resampled, encoded again, or cut from one take (copy); or a stretch of one waveform in "
        "both (part). They are no independent examples of a gun: keep them in one fold."
    )
    yield from _list(NOTE, "alike", "pair{s} with shared waveform", text, alike)


def describe_pair(audit: Audit, pair: Pair) -> str:
    """Return the recordings of a pair and how they are the same, in one line."""
    one, two = audit.clips[pair.first].row, audit.clips[pair.second].row
    names = f"{one.recording} = {two.recording}"
    if pair.shared is None:
        return f"{names} (same {pair.kind})"
    shared = pair.shared
    return (
        f"{names} ({pair.kind}: {shared.shared_s:.2f} s agree to {shared.agreement:.3f}, "
        f"the second begins at {shared.lag_s:+.3f} s of the first)"
    )


def _find_confounds(audit: Audit) -> Iterator[Finding]:
    text = (
        "How the clips were made tells something of their class, so a model can score without "
        "hearing the gun. Bring all to one rate, band, length and level before training; "
        "better, record all classes in the same ways."
    )
    told = {
        is_serious: [
            f"{each.fact}: guessed right {100 * each.value:.0f} % "
            f"({_format_interval(each.interval)}; blindly {100 * each.chance:.0f} %)"
            for each in audit.confounds
            if each.skill > 0 and _is_serious(each) == is_serious
        ]
        for is_serious in (True, False)
    }
    title = "fact{s} of recording by which the class can be guessed"
    yield from _list(SERIOUS, "confound", title, text, told[True])
    title = "fact{s} of recording that may tell the class, weakly or in few groups"
    yield from _list(NOTE, "confound", title, text, told[False])


def _is_serious(confound: Confound) -> bool:
    return confound.skill >= SERIOUS_SKILL and confound.n_groups >= MIN_GROUPS


def _format_interval(interval: tuple[float, float] | None) -> str:
    if interval is None:
        return "no interval, too few groups"
    low, high = (100 * end for end in interval)
    return f"95 % interval {low:.0f} to {high:.0f} %"


def _find_small(audit: Audit) -> Iterator[Finding]:
    groups: dict[str, set[str]] = defaultdict(set)
    folds: dict[str, set[str]] = defaultdict(set)
    places = audit.folds or audit.proposed
    for clip, group, fold in zip(audit.clips, audit.proposed, places, strict=True):
        groups[clip.row.label].add(group)
        folds[clip.row.label].add(fold)
    single = [f"{label}: 1 group" for label, members in groups.items() if len(members) == 1]
    if audit.folds is not None:
        alone = [label for label, members in folds.items() if len(members) == 1]
        single += [f"{label}: 1 fold" for label in alone if len(groups[label]) > 1]
    text = (
        "All their clips belong together or lie in one fold: where they are tested, training has "
        "none. Add recordings of another source, or leave the class out."
    )
    yield from _list(SERIOUS, "one_group", "class{es} with a single group or fold", text, single)
    few = [
        f"{label}: {len(members)} groups"
        for label, members in groups.items()
        if 1 < len(members) < audit.n_folds
    ]
    text = (
        f"There are {audit.n_folds} folds, so some test none of these classes. Their figures "
        "rest on few sources."
    )
    yield from _list(NOTE, "few_groups", "class{es} with fewer groups than folds", text, few)


def _find_faults(clips: Sequence[Clip]) -> Iterator[Finding]:
    heard = [(clip, clip.sound) for clip in clips if clip.sound and not clip.sound.is_silent]

    def pick(tell: Callable[[Sound], str]) -> list[str]:
        return [f"{clip.row.recording}: {told}" for clip, sound in heard if (told := tell(sound))]

    text = (
        "Samples in a row stand at full scale, so the blast's true shape is lost. Usual at close "
        "range, so a clipped clip tells of the distance: see the facts by class."
    )
    yield from _list(NOTE, "clipped", "clipped recording{s}", text, pick(_tell_clipped))
    text = "The mean of the samples is not 0, a fault of the recorder that can betray it."
    yield from _list(NOTE, "offset", "recording{s} with an offset (DC)", text, pick(_tell_offset))
    text = (
        "Above a steep edge there is nothing: the sound was at a lower rate once, or a lossy codec "
        "left it out. A model hears the edge as easily as the gun: train on a band all clips have."
    )
    yield from _list(NOTE, "empty_band", "recording{s} with an empty band", text, pick(_tell_edge))
    text = "What the decoder or the levels say of them."
    yield from _list(
        NOTE, "warning", "recording{s} with a warning", text, pick(lambda s: "; ".join(s.warnings))
    )
    yield from _find_shots(
        [(clip.row.label, s.n_shots) for clip, s in heard if s.n_shots is not None]
    )


def _find_shots(counted: Sequence[tuple[str, int]]) -> Iterator[Finding]:
    """Say by class how many clips hold several shots, and how many none."""
    totals = Counter(label for label, _ in counted)

    def tell(kind: str, title: str, text: str, has: Callable[[int], bool]) -> Iterator[Finding]:
        of_label = Counter(label for label, n in counted if has(n))
        told = [f"{label}: {n} of {totals[label]}" for label, n in sorted(of_label.items())]
        return _list(NOTE, kind, title, text, told, of_label.total())

    text = (
        "The detector finds more than one, so a clip is no single example, and bursts differ from "
        "single shots by their rate of fire. shotprint cut writes each shot as a file."
    )
    yield from tell("several_shots", "recording{s} of several shots", text, lambda n: n > 1)
    text = (
        "The detector finds none. Listen to them: the label may be of something else, or the "
        "detector is wrong."
    )
    yield from tell("no_shot", "recording{s} without a shot", text, lambda n: n == 0)


def _tell_clipped(sound: Sound) -> str:
    return f"{sound.levels.clipped_samples} samples" if is_clipped(sound) else ""


def _tell_offset(sound: Sound) -> str:
    offset = sound.levels.offset
    return f"{100 * offset:+.1f} % of full scale" if abs(offset) >= MAX_OFFSET else ""


def _tell_edge(sound: Sound) -> str:
    edge_hz = sound.levels.band_edge_hz
    if edge_hz >= EMPTY_FROM * sound.sample_rate_hz / 2:
        return ""
    return f"nothing above {edge_hz / 1000:.1f} kHz at {sound.sample_rate_hz} Hz"


def _list(
    severity: str,
    kind: str,
    title: str,
    text: str,
    items: Sequence[str],
    n: int | None = None,
) -> Iterator[Finding]:
    """Yield the finding, if there is anything to list; `n` counts where items are sums."""
    if items:
        n = len(items) if n is None else n
        endings = {"s": "s", "es": "es"} if n != 1 else {"s": "", "es": ""}
        yield Finding(kind, severity, f"{n} {title.format(**endings)}", text, tuple(items))
