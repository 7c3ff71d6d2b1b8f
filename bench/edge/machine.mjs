// The machine, and what else it does meanwhile: a figure from a busy machine is worth little.
import { readFileSync } from "node:fs";
import { cpus } from "node:os";

const [UTIME, STIME, CUTIME, CSTIME] = [11, 12, 13, 14];
const [IDLE, IOWAIT, STEAL] = [3, 4, 7];

/** The fields of a process's state after its name. @param {number | "self"} pid */
export const processFields = (pid) => readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ").map(Number);

/** What all processors have done, in ticks. */
function allProcessors() {
  const fields = readFileSync("/proc/stat", "utf8").split("\n")[0].trim().split(/\s+/).slice(1, STEAL + 2).map(Number);
  const total = fields.reduce((sum, field) => sum + field, 0);
  return { total, busy: total - fields[IDLE] - fields[IOWAIT] };
}

/** What is ours of it: this process, the load that it has made and ended, and one more. @param {number} pid */
function ours(pid) {
  const [self, other] = [processFields("self"), processFields(pid)];
  return [UTIME, STIME, CUTIME, CSTIME].reduce((sum, field) => sum + self[field], 0) + other[UTIME] + other[STIME];
}

/** Begins to look; the answer tells which share of all processors others have had since. @param {number} pid of the runtime */
export function watchOthers(pid) {
  const [all, own] = [allProcessors(), ours(pid)];
  return () => {
    const now = allProcessors();
    return Math.max(0, now.busy - all.busy - (ours(pid) - own)) / (now.total - all.total);
  };
}

export const processors = () => `${cpus().length} x ${cpus()[0].model.trim()}`;
