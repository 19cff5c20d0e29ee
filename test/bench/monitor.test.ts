/** `kaisatsu monitor`: a recorded tap, a live tap over the emulator's tap point, damage, and the promise that it never writes. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { kaisatsu, Process } from "./command-line.js";
import { openPty } from "../../boards/bench/pty.js";
import { openSerial } from "../../boards/node/serial.js";
import { startLine } from "../hil/emulator.js";
import { makePhone, makeStation, makeWorld, tap, ticket } from "../session/world.js";
import { cobs, deframer, encodeFrame, feed, type Wrapping } from "../../protocol/link/frame.js";
import { sir } from "../../protocol/link/sir.js";

const folder = mkdtempSync(join(tmpdir(), "kaisatsu-monitor-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, bytes: Uint8Array | string): string => { writeFileSync(join(folder, name), bytes); return join(folder, name); };

/** What a wire heard of one good tap, both sides on it. */
function heard(): Uint8Array {
  const world = makeWorld();
  const bytes: Uint8Array[] = [];
  const ear = (piece: Uint8Array): Uint8Array[] => { bytes.push(piece); return [piece]; };
  tap(makePhone(world, ticket(world)), makeStation(world, { name: "North" }), { toHandset: ear, toTerminal: ear });
  return new Uint8Array(Buffer.concat(bytes));
}
const recording = heard();
const conversation = [
  "handset no message", "terminal hello", "handset ask", "terminal terminal certificate message", "handset presentation, sealed", "terminal answer, sealed",
  "handset acknowledgement, sealed", "terminal outcome, sealed",
];
const said = (out: string): string[] => out.trim().split("\n").map((line) => JSON.parse(line) as { from: string; is: string }).map((f) => `${f.from} ${f.is}`);

test("a recording is told as the conversation it was, with directions, in inspect's words", async () => {
  const ran = await kaisatsu(["monitor", file("tap.bin", recording), "--json"]);
  expect(ran).toMatchObject({ code: 0, err: "" });
  expect(said(ran.out).slice(0, conversation.length)).toEqual(conversation);
  const people = await kaisatsu(["monitor", file("tap.hex", Buffer.from(recording).toString("hex"))]);
  expect(people.out).toMatch(/^handset → terminal {2}no message, 0 bytes \(first of a session/);
  expect(people.out).toMatch(/terminal → handset {2}hello, \d+ bytes \(first of a session, number 0, expects an even number\)\n/);
});

test("--raw shows the bytes of each frame and counts what was damaged", async () => {
  const bytes = recording.slice();
  bytes[40]! ^= 4;
  const ran = await kaisatsu(["monitor", file("bad.bin", bytes), "--raw"]);
  expect(ran.out).toMatch(/1 damaged/);
  expect(ran.out).toMatch(/\n {4}[0-9a-f]{20,}\n/);
});

test("a message in several infrared frames is told when its last came, and once", async () => {
  const frames = feed(deframer(cobs), recording).filter((f) => f.payload.length > 256 && f.payload.length < 512);
  expect(frames.length).toBeGreaterThan(0);
  const { link, payload } = frames[0]!;
  const wrapping: Wrapping = sir;
  const pieces = [encodeFrame(wrapping, { link: link | 8, payload: payload.slice(0, 256) }, 10), encodeFrame(wrapping, { link: link ^ 1, payload: payload.slice(256) }, 10)];
  const ran = await kaisatsu(["monitor", file("light.bin", Buffer.concat(pieces)), "--medium", "infrared", "--json"]);
  const [whole] = said((await kaisatsu(["monitor", file("one.bin", encodeFrame(cobs, { link, payload }, 0)), "--json"])).out);
  expect(said(ran.out)).toEqual([`${whole!.split(" ")[0]} part of a message`, whole]);
});

test.each([
  ["what holds no frame", ["monitor", "FILE"], 1, /no whole serial frame/],
  ["no port and no file", ["monitor"], 2, /give --port with a serial port, or one recording/],
  ["a medium that is none", ["monitor", "FILE", "--medium", "light"], 2, /one of serial, ble, infrared/],
  ["a port that is not there", ["monitor", "--port", "/dev/no-such-port"], 3, /plug it in, or correct its path/],
] as const)("%s: a clear word and its exit code", async (_name, argv, code, says) => {
  const ran = await kaisatsu(argv.map((word) => (word === "FILE" ? file("none.bin", "nothing at all") : word)));
  expect(ran.code).toBe(code);
  expect(ran.err).toMatch(says);
});

test("live, over the tap point of an emulated line: what is carried is told with its time", async () => {
  const line = await startLine({ baud: 115_200, medium: "serial", seed: 1, tapPoint: true });
  const monitor = new Process(["monitor", "--port", line.tapPoint!, "--json"], folder);
  const ends = [await openSerial(line.terminal, 115_200), await openSerial(line.handset, 115_200)];
  try {
    const frames = feed(deframer(cobs), recording);
    // The monitor may open its port late: a first frame is said until it was heard.
    const hello = frames.find((f) => f.payload.length > 0)!;
    const again = setInterval(() => ends[0]!.write(encodeFrame(cobs, hello, 0)), 100);
    const first = JSON.parse(await monitor.line(/"hello"/)) as { at: string; from: string };
    clearInterval(again);
    expect(first.from).toBe("terminal");
    expect(Date.parse(first.at)).toBeGreaterThan(0);
    for (const frame of frames) ends[frame.link & 128 ? 1 : 0]!.write(encodeFrame(cobs, frame, 0));
    await monitor.line(/"outcome, sealed"/);
    expect(await monitor.stop()).toBe(0);
  } finally {
    for (const end of ends) end.close();
    await line.close();
  }
});

test("it never writes: a device that is watched hears nothing", async () => {
  const pty = openPty();
  const bytes: Uint8Array[] = [];
  pty.onBytes = (piece) => bytes.push(piece);
  const monitor = new Process(["monitor", "--port", pty.path, "--json"], folder);
  const again = setInterval(() => pty.write(recording), 200);
  await monitor.line(/"outcome, sealed"/);
  clearInterval(again);
  await monitor.stop();
  pty.close();
  expect(bytes).toEqual([]);
});
