// Numbers and decisions as a reader expects them.

export function clock(seconds, digits = 3) {
  if (seconds === null || seconds === undefined) return "–";
  const unit = 10 ** digits;
  const whole = Math.round(Math.abs(seconds) * unit);
  const minutes = Math.floor(whole / unit / 60);
  const rest = (whole / unit - minutes * 60).toFixed(digits);
  const sign = seconds < 0 ? "−" : "";
  return `${sign}${minutes}:${rest.padStart(digits ? digits + 3 : 2, "0")}`;
}

export const percent = (p) => (p === null || p === undefined ? "–" : `${(100 * p).toFixed(p > 0.9995 || p < 0.0005 ? 2 : 1)} %`);

export const signed = (x) => (x === null || x === undefined ? "–" : `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(2)}`);

/** Return a decision as a sentence that claims no more than the machine does. */
export function decide(decision) {
  if (!decision) return "no answer of the machine";
  const { level, label, probability } = decision;
  if (level === "model") return `model ${label}, ${percent(probability)}`;
  if (level === "calibre") return `calibre ${label}, ${percent(probability)}: the model is not certain enough`;
  if (level === "category") return `category ${label}, ${percent(probability)}: model and calibre are not certain enough`;
  if (level === "not_a_gunshot") return `not a gunshot, ${percent(probability)}`;
  if (level === "unknown_gun") return "none of the guns that the model knows";
  return "inconclusive: nothing is certain enough to be stated";
}

export const shortly = (decision) =>
  !decision ? "–" : (decision.label ?? { not_a_gunshot: "not a gunshot", unknown_gun: "unknown gun" }[decision.level] ?? "inconclusive");

export const STATES = { machine: "machine", corrected: "corrected", added: "added by hand", deleted: "deleted" };
export const MARKS = { machine: "", corrected: "✎", added: "+", deleted: "×" };

export const stateOf = (shot) => (shot.deleted ? "deleted" : shot.origin);

export const plural = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;
