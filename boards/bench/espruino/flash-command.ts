/** `kaisatsu flash`: the firmware onto a small board, checked, started, and asked who it is. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { flashBoard } from "./flashing.js";
import { modelOf, models, type Model } from "./models.js";
import { exitCode, needed, noWords, textOf, UsageError, type Command, type Context } from "../command.js";
import { boardFault } from "../../../runtime/journal/store.js";

export const roles = ["gate", "meter"] as const;
const listedModels = models.map((m) => `  ${m.name.padEnd(10)} ${m.title}, ${m.chip}`).join("\n");

export const flashCommand: Command = {
  name: "flash",
  summary: "the firmware onto an Espruino board",
  help: `Usage: kaisatsu flash --board NAME --port PATH [--role gate|meter] [--file BUNDLE] [--json]

Erases the board's files, keys among them, writes the firmware in pieces through its console, checks the whole by its check
sum, starts it, and prints who it then says it is. A board that has keys gives no console: hold its button while it starts.

  --board NAME   which board it is (below)
  --port PATH    where it is plugged in; on Bluetooth a serial port made for it (rfcomm)
  --role ROLE    gate or meter; gate by default
  --file BUNDLE  another bundle than the one of this version

Boards:
${listedModels}

The same file can be written by the \`espruino\` command line: espruino -p PORT -e "" --config SAVE_ON_SEND=1 BUNDLE

Examples:
  kaisatsu flash --board puck --port /dev/rfcomm0
  kaisatsu board-emulator --board puck        # in another console, for people without a board; it prints its port
`,
  options: { board: { type: "string" }, port: { type: "string" }, role: { type: "string" }, file: { type: "string" } },
  async run(c) {
    noWords(c);
    const model = modelFor(c);
    const port = needed(c, "port", "the port that the board is plugged in at, as /dev/ttyACM0");
    const role = textOf(c, "role") ?? "gate";
    if (!(roles as readonly string[]).includes(role)) throw new UsageError(`--role is ${roles.join(" or ")}, not "${role}".`);
    const path = textOf(c, "file") ?? bundleFile(model, role);
    const code = readBundle(path, model, role);
    const done = await flashBoard(port, model, code, progress(c));
    const board = { model: done.board.model, chip: Buffer.from(done.board.chip).toString("hex"), software: done.board.software, crc: done.crc.toString(16).padStart(8, "0") };
    if (c.json) c.out(JSON.stringify({ event: "flashed", port, bytes: done.bytes, engine: done.engine, ...board }));
    else {
      c.out(`${c.paint("green", "Written and started.")} ${done.bytes} bytes, check sum ${board.crc}, on ${model.title} with Espruino ${done.engine}.`);
      c.out(`It says: ${board.model}, version ${board.software}, chip ${board.chip}. It is blank: kaisatsu provision --board ${model.name} --port ${port} gives it its keys.`);
    }
    return exitCode.done;
  },
};

/** The board that `--board` names. */
export function modelFor(c: Context): Model {
  const name = needed(c, "board", `one of ${models.map((m) => m.name).join(", ")}`);
  const model = modelOf(name);
  if (model === undefined) throw new UsageError(`There is no board "${name}": it is one of ${models.map((m) => m.name).join(", ")}.`);
  return model;
}

export const bundleFile = (model: Model, role: string): string => fileURLToPath(new URL(`../../../espruino/${model.name}-${role}.js`, import.meta.url));

function readBundle(path: string, model: Model, role: string): Uint8Array {
  if (!existsSync(path)) throw boardFault("absent", `There is no firmware for ${model.title} as a ${role} at ${path}: npm run build:espruino makes it, where there is one.`);
  return readFileSync(path);
}

/** Steps as they come; the upload in quarters, or as events. */
function progress(c: Context): (step: string, part: number) => void {
  let before = "";
  return (step, part) => {
    const told = `${step} ${Math.floor(part * 4)}`;
    if (told === before) return;
    before = told;
    if (c.json) c.out(JSON.stringify({ event: "progress", step, part: Math.floor(part * 4) / 4 }));
    else c.err(c.paint("dim", step === "writing" ? `Writing, ${Math.floor(part * 4) * 25} %` : `${step[0]!.toUpperCase()}${step.slice(1)} …`));
  };
}
