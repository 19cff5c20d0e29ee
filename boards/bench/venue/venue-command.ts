/** `kaisatsu venue`: a whole venue on one machine, told in plain lines. */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { exitCode, noWords, textOf, UsageError, type Command } from "../command.js";
import { Interrupted } from "../console.js";
import { prepareFolder } from "../folder.js";
import { openStage } from "./stage.js";
import { stay } from "./stay.js";
import { tell } from "./story.js";

export const venueCommand: Command = {
  name: "venue",
  summary: "a whole venue on this machine: host, gates, handsets, told in plain lines",
  help: `Usage: kaisatsu venue [--data FOLDER] [--stay] [--json]

Starts a host, two gates and handsets, and lets them live through an evening: entries, refusals, torn taps, a host that
goes away and comes back. Handsets and gates talk through real serial ports on pseudo-terminals, lights and turnstiles are
emulated Firmata boards. Nothing outside a folder under the system's temporary one is touched.

  --data FOLDER  keep everything in this folder, which must not exist yet
  --stay         stay up afterwards, for tapping by hand from a second console: a guest is sold something, and the
                 commands to paste are printed; Ctrl-C ends it
  --json         one JSON line an event; the last one is the summary

Exit code 0 when everything was as it must be, 3 when not.

Examples:
  kaisatsu venue
  kaisatsu venue --stay --data evening
  kaisatsu venue --json | tail -1
`,
  options: { data: { type: "string" }, stay: { type: "boolean" } },
  async run(c) {
    noWords(c);
    const given = textOf(c, "data");
    if (given !== undefined && existsSync(given) && (!statSync(given).isDirectory() || readdirSync(given).length > 0)) throw new UsageError(`--data: ${given} is there already; the venue begins in a folder of its own.`);
    if (given !== undefined) prepareFolder(given, "--data");
    const folder = given === undefined ? mkdtempSync(join(tmpdir(), "kaisatsu-venue-")) : resolve(given);
    // A Ctrl-C ends the story at its next word, so that nobody walks on in a venue that is being taken down.
    let ended = false;
    void c.console.stopped().then(() => { ended = true; });
    const stage = await openStage(folder);
    try {
      const summary = await tell(stage, { ...c, out: (text) => { if (ended) throw new Interrupted(); c.out(text); } });
      if (c.json) c.out(JSON.stringify(summary));
      else {
        c.out("");
        c.out(`${summary.taps} taps: ${summary.opened} opened, ${summary.refused} refused, ${summary.resumed} resumed. Bytes on the wire: ${summary.bytes.fullCertificates} with both certificates, ${summary.bytes.knownCertificates} once the handset knows the gate. Hello to open: ${summary.tapMs.p50} ms median, ${summary.tapMs.p99} ms at most of 99 in 100.`);
      }
      if (c.options["stay"] === true) await stay(stage, c);
      return exitCode.done;
    } finally {
      await stage.close();
      if (given === undefined) rmSync(folder, { recursive: true, force: true });
    }
  },
};
