// The service's HTTP API (docs/service.md). Every failure is an Error with one line to show.

const state = { online: true };

export const who = () => localStorage.getItem("who") || "examiner";

function setOnline(online) {
  if (state.online === online) return;
  state.online = online;
  document.dispatchEvent(new CustomEvent("connection", { detail: online }));
}

/** Look whether the service answers: often while it does not, seldom while it does. */
export async function watchConnection() {
  try {
    const response = await fetch("/api/health", { cache: "no-store" });
    setOnline(response.ok);
  } catch {
    setOnline(false);
  }
  setTimeout(watchConnection, state.online ? 5000 : 1000);
}

async function read(response) {
  if (response.ok) return response.json();
  let line = `${response.status} ${response.statusText}`;
  try {
    line = (await response.json()).error ?? line;
  } catch {
    // Not JSON: the status is all there is to say.
  }
  throw Object.assign(new Error(line), { status: response.status });
}

async function ask(path, options) {
  try {
    const response = await fetch(path, options);
    setOnline(true);
    return response;
  } catch {
    setOnline(false);
    throw new Error("the service does not answer; the page goes on when it is back");
  }
}

export async function call(path, method = "GET", body = undefined) {
  const headers = { "X-Shotprint-User": encodeURIComponent(who()) };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return read(await ask(path, { method, headers, body: body && JSON.stringify(body) }));
}

export async function fetchFile(path) {
  const response = await ask(path, {});
  return response.ok ? response.blob() : read(response);
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Send one file, again after the time the service names while its queue is full. */
export async function upload(caseId, file, name, onprogress) {
  for (;;) {
    const request = await send(`${casePath(caseId)}/recordings`, file, name, onprogress);
    if (request.status === 429) {
      onprogress(null);
      await sleep(1000 * (Number(request.getResponseHeader("Retry-After")) || 2));
      continue;
    }
    let answer = {};
    try {
      answer = JSON.parse(request.responseText);
    } catch {
      answer.error = `the service answered ${request.status}; try again`;
    }
    if (request.status >= 400) throw new Error(answer.error ?? `the service answered ${request.status}`);
    return answer;
  }
}

function send(path, file, name, onprogress) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    form.append("file", file, name);
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("X-Shotprint-User", encodeURIComponent(who()));
    request.upload.onprogress = (event) => onprogress(event.loaded / event.total);
    request.onload = () => resolve(request);
    request.onerror = () => reject(new Error("the service does not answer; drop the file again when it is back"));
    request.send(form);
  });
}

/** Follow a job by its events until it is done; returns what stops the watching. */
export function follow(jobId, onjob) {
  const source = new EventSource(`/api/jobs/${encodeURIComponent(jobId)}/events`);
  const take = (event) => {
    const job = JSON.parse(event.data);
    if (isOver(job)) source.close();
    onjob(job);
  };
  source.onmessage = take;
  source.addEventListener("job", take);
  return () => source.close();
}

export const isOver = (job) => !job || !["queued", "running"].includes(job.state);

export const casePath = (caseId) => `/api/cases/${encodeURIComponent(caseId)}`;
export const recordingPath = (caseId, recordingId) => `${casePath(caseId)}/recordings/${encodeURIComponent(recordingId)}`;
export const query = (values) => `?${new URLSearchParams(values)}`;
