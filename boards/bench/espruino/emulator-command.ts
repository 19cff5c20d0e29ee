/** `kaisatsu board-emulator`: an Espruino board on a pseudo-terminal, for people without one. */
import { startEmulator, type Told } from "./emulator.js";
import { modelFor } from "./flash-command.js";
import { exitCode, noWords, textOf, type Command, type Context } from "../command.js";

export const boardEmulatorCommand: Command = {
  name: "board-emulator",
  summary: "an Espruino board on a pseudo-terminal, to be flashed and tapped at",
  help: `Usage: kaisatsu board-emulator --board NAME [--flash FILE] [--walk PIN:PIN] [--json]

Prints its port and runs until Ctrl-C. It has a console until firmware takes it away, flash that keeps what is written, and
runs what \`kaisatsu flash\` puts on it. Pins that the firmware drives are told.

  --board NAME    which board
  --flash FILE    keeps the flash here; else it is gone with the emulator
  --walk PIN:PIN  somebody walks through: when the first pin is driven high, the second one sees a passage

Examples:
  kaisatsu board-emulator --board puck --walk D1:D2
  kaisatsu flash --board puck --port /dev/pts/7
`,
  options: { board: { type: "string" }, flash: { type: "string" }, walk: { type: "string" } },
  async run(c) {
    noWords(c);
    const model = modelFor(c);
    const file = textOf(c, "flash");
    const [opens, passes] = (textOf(c, "walk") ?? ":").split(":");
    const stopped = c.console.stopped();
    const emulator = startEmulator({
      model, ...(file !== undefined && { file }),
      told: (what) => {
        tell(c, what);
        if (what.is !== "pin" || what.pin !== opens || what.level !== 1 || passes === undefined) return;
        setTimeout(() => emulator.drive(passes, 1), 300);
        setTimeout(() => emulator.drive(passes, 0), 500);
      },
    });
    try {
      if (c.json) c.out(JSON.stringify({ event: "ready", port: emulator.path, board: model.name }));
      else c.out(`${c.paint("bold", model.title)} on ${c.paint("bold", emulator.path)}. Ctrl-C stops it.`);
      await stopped;
    } finally {
      emulator.close();
    }
    return exitCode.done;
  },
};

function tell(c: Context, what: Told): void {
  if (c.json) { c.out(JSON.stringify({ event: what.is, ...what })); return; }
  if (what.is === "pin") c.out(c.paint("dim", `${what.pin} ${what.hertz > 0 ? `${what.hertz} Hz` : what.level === 1 ? "high" : "low"}`));
  else if (what.is === "started") c.out(c.paint("dim", `Started by ${what.by}.`));
  else c.err(`Error in the program: ${what.message}`);
}
