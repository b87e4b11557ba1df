"""From a case to the blocks of its report: what stands where, in the words of a language."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from shotprint.calibration import NO_CALIBRATION
from shotprint.decisions import INCONCLUSIVE, NOT_A_GUNSHOT, UNKNOWN_GUN, Decision
from shotprint.evidence import LikelihoodCalibration
from shotprint.recognition.likelihoods import Ratio
from shotprint.recognition.recognizer import NO_SHOT, TRAINED_ON
from shotprint.recognition.results import GunsResult, Score, printable
from shotprint.report.blocks import (
    Block,
    Cell,
    Group,
    Items,
    Link,
    Paragraph,
    Picture,
    Section,
    Share,
    Table,
    drop_dead_links,
    read_markdown,
)
from shotprint.report.case import Case, Exhibit, list_versions
from shotprint.report.pictures import Drawn
from shotprint.report.texts import Texts, write_clock, write_ratio

MIN_SHOWN = 0.005  # probability of a candidate that is still named
MAX_LISTED, MAX_OF_SHOT = 12, 4  # candidates of an exhibit, of a shot
UNUSUAL = "it is unlike the recordings that the model was validated on"


class Document:
    """The sections of a report.

    Parameters
    ----------
    timelines : pictures of all shots
    drawn : number of an exhibit → its pictures; none where it failed
    """

    def __init__(self, case: Case, timelines: Sequence[bytes], drawn: Mapping[int, Drawn]) -> None:
        self.case = case
        self.texts: Texts = case.means.texts
        self._timelines = timelines
        self._drawn = drawn

    def list_sections(self) -> list[Section]:
        """Return the sections that the layout names, in its order."""
        made = {
            "summary": self._summarise,
            "question": self._ask,
            "exhibits": self._list_exhibits,
            "reading": self._tell_reading,
            "timeline": self._tell_timeline,
            "results": self._tell_results,
            "limits": self._tell_limits,
            "model": self._tell_model,
            "repeat": self._tell_repeating,
            "glossary": self._explain,
        }
        return drop_dead_links(
            [
                Section(f"{number}. {self._say(f'section_{name}')}", name, tuple(made[name]()))
                for number, name in enumerate(self.case.means.layout.sections, 1)
            ]
        )

    def list_facts(self) -> list[tuple[str, str]]:
        """Return what stands at the head: names and values."""
        settings = self.case.means.settings
        facts = (
            ("case", settings.case),
            ("laboratory", settings.laboratory),
            ("examiner", settings.examiner),
            ("date", self.case.means.date.replace("T", " ")),
        )
        return [(self._say(f"fact_{name}"), value) for name, value in facts if value]

    def _say(self, name: str, /, **values: object) -> str:
        return self.texts.say(name, **values)

    def _summarise(self) -> Iterator[Block]:
        settings, case = self.case.means.settings, self.case
        if settings.question:
            yield Paragraph(settings.question, "lead")
        n_failed = sum(each.result.error is not None for each in case.exhibits)
        yield Paragraph(
            self._say("summary", n=len(case.exhibits), n_shots=len(case.shots), n_failed=n_failed)
        )
        header = [self._say(f"column_{name}") for name in ("exhibit", "shots", "guns", "stated")]
        kinds = list(case.means.calibrations)[:1]
        header += [self._say("column_strength") for _ in kinds]
        rows = [self._summarise_exhibit(each, bool(kinds)) for each in case.exhibits]
        yield Table(rows, header, (1.3, 0.8, 1.3, 1.5, 2.3)[: len(header)])
        for each in case.exhibits:
            if TRAINED_ON in each.result.warnings:
                warning = self._warn(TRAINED_ON)
                yield Paragraph(f"{self._name(each)}: {warning}", "warning")
        if any(each.corrections for each in case.exhibits):
            yield Paragraph(self._say("corrected_somewhere"), "warning")
        yield Paragraph(self._say("summary_how_to_read"), "soft")

    def _summarise_exhibit(self, exhibit: Exhibit, with_ratio: bool) -> list[Cell]:
        result = exhibit.result
        row: list[Cell]
        link = Link(self._name(exhibit), f"exhibit-{exhibit.number}")
        if result.error is not None:
            row = [link, "–", "–", self._tell_failure(result.error)]
            return row + ["–"] * with_ratio
        strength = self._tell_strength(exhibit.ratios[0]) if exhibit.ratios else "–"
        guns = "–" if result.guns is None else self._count_guns(result.guns)
        stated = self._state(result.decision)
        row = [link, str(len(result.shots)), guns, stated]
        return row + [strength] * with_ratio

    def _ask(self) -> Iterator[Block]:
        settings, means = self.case.means.settings, self.case.means
        yield Paragraph(settings.question or self._say("no_question"), "lead")
        if not means.calibrations:
            yield Paragraph(self._say("no_ratios"), "warning")
            return
        yield Paragraph(self._say("hypotheses"))
        rows = []
        for kind, calibration in means.calibrations.items():
            asked = settings.values if kind == settings.hypothesis else ()
            value = ", ".join(asked) or self._say("value_any")
            kind_name = self.texts.translate(kind)
            h1 = self._say("h1", kind=kind_name, value=value)
            h2 = self._say("h2", kind=kind_name, value=value)
            rows.append([kind_name, h1, h2, self._tell_basis(calibration)])
        header = [self._say(f"column_{name}") for name in ("about", "h1", "h2", "basis")]
        yield Table(rows, header, (0.8, 1.8, 1.8, 2))
        if not settings.values:
            yield Paragraph(self._say("chosen_afterwards"), "warning")
        yield Paragraph(self._say("supposed"), "soft")
        yield Table(
            [
                [f"≥ {ratio:,.0f}".replace(",", " "), words]
                for ratio, words in self.texts.scale.steps
            ],
            [self._say("column_lr"), self._say("column_scale", name=self.texts.scale.name)],
            (1, 3),
        )

    def _tell_basis(self, calibration: LikelihoodCalibration) -> str:
        return self._say(
            "basis",
            n=calibration.n_recordings,
            n_groups=calibration.n_groups,
            lower=self.texts.write_number(calibration.lower, 2),
            upper=self.texts.write_number(calibration.upper, 2),
            confidence=f"{100 * calibration.confidence:g} %",
        )

    def _list_exhibits(self) -> Iterator[Block]:
        yield Paragraph(self._say("about_exhibits"), "soft")
        for each in self.case.exhibits:
            rows = [
                (self._say(f"fact_{name}"), value) for name, value in self._list_file_facts(each)
            ]
            yield Group(self._name(each), (Table(rows, widths=(1, 3)),), f"file-{each.number}")

    def _list_file_facts(self, exhibit: Exhibit) -> list[tuple[str, str]]:
        result, opened = exhibit.result, exhibit.probe
        facts = [
            ("path", printable(result.path)),
            ("sha256", result.sha256 or self._say("not_known")),
        ]
        if exhibit.size_bytes is not None:
            facts.append(("size", self._say("bytes", n=exhibit.size_bytes)))
        if opened is not None:
            facts += [
                ("container", opened.container),
                ("codec", opened.codec),
                ("rate", f"{opened.sample_rate_hz} Hz"),
                ("channels", str(opened.n_channels)),
                ("tracks", str(opened.n_tracks)),
            ]
        if result.duration_s is not None:
            seconds = self.texts.write_number(result.duration_s, 3)
            facts.append(("duration", f"{write_clock(result.duration_s)} ({seconds} s)"))
        stated = exhibit.stated_time
        claim = self._say("no_time") if stated is None else self._say("claim", time=stated)
        facts.append(("time", claim))
        if result.error is not None:
            facts.append(("error", self.texts.translate(result.error)))
        return facts

    def _tell_reading(self) -> Iterator[Block]:
        recognizer, settings = self.case.recognizer, self.case.answers.settings
        metadata, rule = recognizer.model.metadata, recognizer.model.metadata.clip_rule
        lengths = [f"{length:g}" for length in (rule.length_s, rule.short_length_s) if length]
        channel = settings["channel"]
        known = channel if channel in ("mix", "loudest", "each") else "number"
        track = settings["track"]
        told = [
            self._say(f"channel_{known}", channel=channel),
            self._say("track_best") if track is None else self._say("track", track=track),
            self._say("resampled", rate=metadata.sample_rate_hz),
        ]
        if recognizer.detector is not None:
            facts = recognizer.detector.model.metadata
            threshold = self.texts.write_number(recognizer.detector.threshold, 3)
            told.append(self._say("detected", rate=facts.sample_rate_hz, threshold=threshold))
        if lengths:
            lengths = [self.texts.translate_number(length) for length in lengths]
            told.append(self._say("clips", lengths=self._say("and").join(lengths)))
        told.append(self._say(f"level_{metadata.level}"))
        level = self.texts.write_share(settings["decision_level"])
        told.append(self._say("decided", level=level))
        yield Items(told)
        shifted = [
            (self._name(each), f"{self.texts.write_number(each.result.start_s or 0, 3)} s")
            for each in self.case.exhibits
            if each.result.start_s
        ]
        if shifted:
            yield Paragraph(self._say("starts_late"))
            yield Table(shifted, [self._say("column_exhibit"), self._say("column_start")])

    def _tell_timeline(self) -> Iterator[Block]:
        if not self.case.shots:
            yield Paragraph(self._say("no_shots"))
            return
        yield Paragraph(self._say("about_timeline"), "soft")
        for png in self._timelines:
            yield Picture(png, self._say("alternative_timeline"))
        names = ("exhibit", "shot", "time", "gap", "stated", "candidate", "gun")
        rows = [self._list_shot(exhibit, place) for exhibit, place in self.case.shots]
        header = [self._say(f"column_{name}") for name in names]
        yield Table(rows, header, (1.1, 0.75, 1.1, 0.9, 1.9, 1.6, 1.4))

    def _list_shot(self, exhibit: Exhibit, place: int) -> list[Cell]:
        shot = exhibit.result.shots[place]
        gap = "–" if shot.gap_s is None else f"{self.texts.write_number(shot.gap_s, 3)} s"
        best = (shot.candidates or (None,))[0]
        number = str(place + 1)
        drawn = self._drawn.get(exhibit.number)
        linked = drawn is not None and place < len(drawn.shots)
        gun = shot.gun
        return [
            self._number(exhibit),
            Link(number, f"shot-{exhibit.number}-{number}") if linked else number,
            self._clock(shot.onset_s),
            gap,
            self._state(shot.decision),
            "–" if best is None else self._write_score(best),
            "–" if gun is None else self._write_score(gun),
        ]

    def _tell_results(self) -> Iterator[Block]:
        yield Paragraph(self._say("about_results"), "soft")
        is_raw = self.case.answers.settings["calibration"] == NO_CALIBRATION
        told = "results_raw" if is_raw else "results_calibrated"
        yield Paragraph(self._say(told), "warning" if is_raw else "soft")
        for each in self.case.exhibits:
            anchor = f"exhibit-{each.number}"
            yield Group(self._name(each), tuple(self._tell_exhibit(each)), anchor)
            drawn = self._drawn.get(each.number)
            for place in range(len(drawn.shots) if drawn else 0):
                yield self._tell_shot(each, place)

    def _tell_exhibit(self, exhibit: Exhibit) -> Iterator[Block]:
        result, drawn = exhibit.result, self._drawn.get(exhibit.number)
        if result.error is not None:
            yield Paragraph(self._tell_failure(result.error), "warning")
            yield from self._tell_corrections(exhibit)
            return
        yield Paragraph(self._tell_statement(result.decision), "lead")
        yield from self._tell_corrections(exhibit)
        if result.guns is not None:
            yield from self._tell_guns(result.guns)
        if drawn is None:
            yield Paragraph(self._say("not_drawn"), "warning")
        else:
            n = len(result.shots)
            caption = self._say("caption_exhibit", n=n)
            yield Picture(drawn.whole, self._say("alternative_exhibit", n=n), caption)
        yield from self._tell_ratios(exhibit.ratios, result.decision)
        yield self._list_candidates(result.candidates or ())
        for burst in result.bursts:
            begin, rate = (
                self._clock(burst.onset_s),
                self.texts.write_number(burst.rate_of_fire_rpm),
            )
            yield Paragraph(self._say("burst", n=burst.n_shots, begin=begin, rate=rate))
        if drawn is not None and len(drawn.shots) < len(result.shots):
            n = len(result.shots)
            yield Paragraph(self._say("not_all_drawn", n=len(drawn.shots), n_all=n), "warning")

    def _tell_corrections(self, exhibit: Exhibit) -> Iterator[Block]:
        if exhibit.corrections:
            yield Paragraph(self._say("corrections"), "warning")
            header = [self._say(f"column_{name}") for name in ("who", "when", "action", "text")]
            say = self.texts.translate
            rows = [
                (each.who, each.when, say(each.action), say(each.text))
                for each in exhibit.corrections
            ]
            yield Table(rows, header, (1, 1.2, 0.8, 2.5))

    def _tell_guns(self, guns: GunsResult) -> Iterator[Block]:
        yield Paragraph(self._say("guns", count=self._count_guns(guns)))
        yield Table(
            [
                (self._say("guns_n", n=n), Share(p, self.texts.write_share(p)))
                for n, p in enumerate(guns.n_probabilities, 1)
            ],
            [self._say("column_guns"), self._say("column_probability")],
            (2, 1),
        )
        sets = [
            f"{' + '.join(s.labels)} ({self.texts.write_share(s.probability)})" for s in guns.sets
        ]
        yield Paragraph(self._say("gun_sets", sets="; ".join(sets[:3])))
        yield Paragraph(self._say("guns_limit"), "soft")

    def _tell_shot(self, exhibit: Exhibit, place: int) -> Group:
        shot, number = exhibit.result.shots[place], place + 1
        drawn = self._drawn[exhibit.number]
        time = self._clock(shot.onset_s)
        say, number_of = self._say, self.texts.write_number
        facts = [
            say("shot_detected", p=self.texts.write_share(shot.detection_probability)),
            say("shot_peak", level=number_of(shot.peak_dbfs, 1)),
        ]
        facts += [say("shot_clipped")] if shot.clipped else []
        facts += [] if shot.gap_s is None else [say("shot_gap", gap=number_of(shot.gap_s, 3))]
        if shot.gunshot_probability is not None:
            p = self.texts.write_share(shot.gunshot_probability)
            facts.append(say("shot_gunshot", p=p))
        if shot.gun is not None:
            facts.append(say("shot_gun", gun=self._write_score(shot.gun)))
        blocks: list[Block] = [
            Paragraph(self._tell_statement(shot.decision), "lead"),
            Picture(drawn.shots[place], say("alternative_shot", number=number), share=0.46),
            Paragraph("; ".join(facts) + ".", "soft"),
            self._list_candidates(shot.candidates or (), MAX_OF_SHOT),
            *self._tell_ratios(exhibit.shot_ratios[place], shot.decision),
        ]
        title = say("shot_title", exhibit=self._number(exhibit), number=number, time=time)
        return Group(title, tuple(blocks), f"shot-{exhibit.number}-{number}", "shot")

    def _list_candidates(self, candidates: Sequence[Score], most: int = MAX_LISTED) -> Table:
        """Return guns with calibre, category and probability, the least probable left out."""
        guns = {gun.label: gun for gun in self.case.recognizer.model.metadata.labels}
        rows: list[list[Cell]] = []
        for score in candidates:
            if rows and (score.probability < MIN_SHOWN or len(rows) == most):
                break
            gun = guns[score.label]
            named = [
                self.texts.translate(name or "unknown") for name in (gun.calibre, gun.category)
            ]
            p = Share(score.probability, self.texts.write_share(score.probability))
            rows.append([score.label, *named, p])
        names = ("listed", "calibre", "category", "probability")
        return Table(rows, [self._say(f"column_{name}") for name in names], (1.1, 1.3, 1.35, 1.45))

    def _tell_ratios(self, ratios: Sequence[Ratio], decision: Decision | None) -> Iterator[Block]:
        if not self.case.means.calibrations:
            return
        if not ratios:
            yield Paragraph(self._say("no_ratio", stated=self._state(decision)))
            return
        yield Paragraph(self._tell_ratio(ratios[0]))
        rows = []
        for ratio in ratios:
            numbers = [self.texts.write_number(x, 2) for x in (ratio.llr, ratio.low, ratio.high)]
            bounded = self._say("bounded") if ratio.is_bounded else ""
            words = self.texts.write_strength(ratio.llr)
            between = self._say("between", low=numbers[1], high=numbers[2])
            rows.append(
                [self.texts.translate(ratio.value), numbers[0], between, f"{words}{bounded}"]
            )
        names = ("h1_fired", "llr", "interval", "words")
        yield Table(rows, [self._say(f"column_{name}") for name in names], (1.3, 0.7, 1.2, 2.2))

    def _tell_ratio(self, ratio: Ratio) -> str:
        times = self.texts.translate_number(write_ratio(ratio.llr))
        if times == self.texts.translate_number("1.0"):
            return self._say("ratio_even", value=self.texts.translate(ratio.value))
        name = "ratio_for" if ratio.llr > 0 else "ratio_against"
        return self._say(name, times=times, value=self.texts.translate(ratio.value))

    def _tell_strength(self, ratio: Ratio) -> str:
        llr = self.texts.write_number(ratio.llr, 2)
        low, high = (self.texts.write_number(x, 2) for x in (ratio.low, ratio.high))
        value, words = self.texts.translate(ratio.value), self.texts.write_strength(ratio.llr)
        bounded = self._say("bounded") if ratio.is_bounded else ""
        words = f"{words}{bounded}"
        return self._say("strength", value=value, llr=llr, low=low, high=high, words=words)

    def _tell_limits(self) -> Iterator[Block]:
        yield Paragraph(self._say("about_limits"))
        for each in self.case.exhibits:
            if items := list(self._limit_exhibit(each)):
                yield Group(self._name(each), (Items(items),))
        labels = ", ".join(self.case.answers.model.labels)
        general = [self._say("limit_guns", labels=labels)]
        names = ("limit_specimen", "limit_distance", "limit_missed", "limit_detection")
        general += [self._say(name) for name in names]
        if self.case.means.calibrations:
            general.append(self._say("limit_bounds"))
        yield Group(self._say("limits_general"), (Items(general),))

    def _limit_exhibit(self, exhibit: Exhibit) -> Iterator[str]:
        result = exhibit.result
        if result.error is not None:
            yield self._tell_failure(result.error)
            return
        n_clipped = sum(shot.clipped for shot in result.shots)
        if n_clipped:
            yield self._say("limit_clipped", n=n_clipped, n_all=len(result.shots))
        if exhibit.is_lossy and exhibit.probe is not None:
            yield self._say("limit_codec", codec=exhibit.probe.codec)
        unusual = [
            self._say(f"unusual_{name}_{'high' if each.value > each.high else 'low'}")
            for name, each in (result.resemblance or {}).items()
            if not each.is_usual
        ]
        if unusual:
            yield self._say("limit_unusual", what=", ".join(unusual))
        decisions = [shot.decision.level for shot in result.shots if shot.decision is not None]
        for level in (INCONCLUSIVE, NOT_A_GUNSHOT, UNKNOWN_GUN):
            if n := decisions.count(level):
                yield self._say(f"limit_{level}", n=n, n_all=len(result.shots))
        if NO_SHOT in result.warnings:
            yield self._say("limit_no_shot")
        for warning in result.warnings:
            if warning != NO_SHOT and not warning.startswith(UNUSUAL):
                yield self._warn(warning)

    def _warn(self, warning: str) -> str:
        """Return a warning of the program as a sentence."""
        text = self.texts.translate(warning)
        return self._say("limit_warning", text=text[:1].upper() + text[1:])

    def _tell_failure(self, error: str) -> str:
        return self._say("failed", error=self.texts.translate(error))

    def _tell_model(self) -> Iterator[Block]:
        means, metadata = self.case.means, self.case.recognizer.model.metadata
        model, detector = self.case.answers.model, self.case.answers.detector
        rows = [
            (self._say("fact_model"), f"{model.name}, {self._say('version')} {model.version}"),
            (self._say("fact_sha256"), model.sha256),
        ]
        rows += [
            (self._say(f"fact_{name}"), text)
            for name, text in (("what", metadata.description), ("cannot", metadata.limits))
            if text
        ]
        if detector is not None:
            version = f"{detector.name}, {self._say('version')} {detector.version}"
            rows += [
                (self._say("fact_detector"), version),
                (self._say("fact_sha256"), detector.sha256),
            ]
        rows += [
            (self._say("fact_licence", what=name), text) for name, text in metadata.licences.items()
        ]
        yield Table(rows, widths=(1, 3))
        yield Paragraph(self._say("validation"))
        figures = [
            [self.texts.translate(kind), self._tell_basis(calibration)]
            for kind, calibration in means.calibrations.items()
        ]
        yield Table(figures, [self._say("column_about"), self._say("column_basis")], (1, 4))
        if means.card:
            yield Paragraph(self._say("about_card"), "soft")
            yield Group(self._say("card"), tuple(read_markdown(means.card)), kind="folded")

    def _tell_repeating(self) -> Iterator[Block]:
        settings = self.case.means.settings
        if settings.command:
            yield Paragraph(self._say("command"))
            yield Paragraph(settings.command, "code")
        yield Paragraph(self._say("repeated"))
        yield Table(list(list_versions().items()), widths=(1, 3))
        yield Paragraph(self._say("settings"))
        rows = [(name, _flatten(value)) for name, value in self.case.answers.settings.items()]
        yield Table(rows, widths=(1, 3))
        signed = "unsigned" if settings.key is None else "signed"
        yield Paragraph(self._say(f"list_{signed}"))

    def _explain(self) -> Iterator[Block]:
        yield Table(list(self.texts.glossary.items()), widths=(1, 3))

    def _name(self, exhibit: Exhibit) -> str:
        name = printable(Path(exhibit.result.path).name)
        return self._say("exhibit_name", number=exhibit.number, name=name)

    def _number(self, exhibit: Exhibit) -> str:
        """Return the short name of an exhibit, which no line breaks."""
        return self._say("exhibit_number", number=exhibit.number).replace(" ", "\u00a0")

    def _clock(self, moment_s: float) -> str:
        return self.texts.translate_number(write_clock(moment_s))

    def _write_score(self, score: Score) -> str:
        return f"{score.label} {self.texts.write_share(score.probability)}"

    def _count_guns(self, guns: GunsResult) -> str:
        p = max(guns.n_probabilities)
        n = guns.n_probabilities.index(p) + 1
        return self._say("guns_count", n=n, p=self.texts.write_share(p))

    def _state(self, decision: Decision | None) -> str:
        if decision is None:
            return "–"
        label = self.texts.translate(decision.label or "")
        return self._say(f"stated_{decision.level}", label=label)

    def _tell_statement(self, decision: Decision | None) -> str:
        """Return a sentence of what is stated, with its probability."""
        if decision is None:
            return "–"
        if decision.probability is None or decision.level == INCONCLUSIVE:
            return self._say(f"told_{decision.level}")
        label = self.texts.translate(decision.label or "")
        p = self.texts.write_share(decision.probability)
        return self._say(f"told_{decision.level}", label=label, p=p)


def _flatten(value: object) -> str:
    """Return a setting as text: a mapping as its names and values."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_flatten(each)}" for name, each in value.items())
    return "–" if value is None else str(value)
