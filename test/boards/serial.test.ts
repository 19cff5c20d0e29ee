/**
 * The serial conformance on every line there is: the simulated one, two real `serialport`s over pseudo-terminals, and, where
 * KAISATSU_PORT_A and KAISATSU_PORT_B name two ports joined by a null-modem cable, those. Then what only real ports have.
 */
import { afterEach, describe, expect, test, vi } from "vitest";
import { stat } from "node:fs/promises";
import { openLine, openPty, type Pty } from "../../boards/bench/pty.js";
import { openSerial } from "../../boards/node/serial.js";
import { makeSimLine } from "../../boards/sim/board.js";
import type { BoardError, Serial } from "../../runtime/board.js";
import { limits } from "../../protocol/limits.js";
import { pattern, serialConforms, take, type OpenPair } from "./serial.conformance.js";

/** Reads and writes of a port are done by the pool of threads: once it has answered so often, they stand where they wait. */
const settled = async (): Promise<void> => { for (let i = 0; i < 100; i++) await stat("."); };
const turnOfLoop = () => new Promise<void>((done) => setImmediate(done));

const pairs: Record<string, OpenPair> = {
  "the simulated line": async () => {
    const line = makeSimLine();
    return { a: line.a, b: line.b, carry: async () => { line.deliver(); }, unplug: line.unplug, close: () => { line.a.close(); line.b.close(); } };
  },
  "two ports on a pseudo-terminal line": async () => {
    const line = openLine({ baud: 0 });
    const [a, b] = [await openSerial(line.a, 115_200), await openSerial(line.b, 115_200)];
    return { a, b, carry: turnOfLoop, unplug: line.close, close: () => { a.close(); b.close(); line.close(); } };
  },
};
const { KAISATSU_PORT_A: portA, KAISATSU_PORT_B: portB } = process.env;
if (portA !== undefined && portB !== undefined) {
  pairs[`${portA} and ${portB}`] = async () => {
    const [a, b] = [await openSerial(portA, 115_200), await openSerial(portB, 115_200)];
    return { a, b, carry: turnOfLoop, unplug: undefined, close: () => { a.close(); b.close(); } };
  };
}
for (const [name, open] of Object.entries(pairs)) serialConforms(name, open);

describe("a real port", () => {
  const opened: { close(): void }[] = [];
  const portOn = async (pty: Pty): Promise<Serial> => {
    const port = await openSerial(pty.path, 115_200);
    opened.push(port);
    return port;
  };
  const ptyOf = (): Pty => { const pty = openPty(); opened.push(pty); return pty; };
  afterEach(() => { vi.useRealTimers(); for (const part of opened.splice(0).reverse()) part.close(); });
  const until = async (holds: () => boolean): Promise<void> => { while (!holds()) await turnOfLoop(); };

  test("a port that waits for room to write still reads, and then writes on: the write hang of the library", async () => {
    const pty = ptyOf();
    const port = await portOn(pty);
    const half = limits.lineBytesMax / 2;
    let came = 0;
    pty.onBytes = (bytes) => { came += bytes.length; };
    for (let round = 0; round < 3; round++) {
      // The driver is full and the port waits for room; then it reads, and waits for more to read.
      pty.pause();
      port.write(pattern(half, round));
      await settled();
      pty.write(new Uint8Array([round]));
      expect(await take({ carry: turnOfLoop }, port, 1)).toEqual(new Uint8Array([round]));
      await settled();
      pty.resume();
      await until(() => came === (round + 1) * half);
    }
  });

  test("a device that takes nothing for ten seconds is a dead line, and says what to do", async () => {
    const pty = ptyOf();
    const port = await portOn(pty);
    const told: BoardError[] = [];
    port.onClose = (error) => told.push(error);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    pty.pause();
    port.write(pattern(limits.lineBytesMax, 1));
    await settled();
    vi.advanceTimersByTime(9_999);
    expect(told).toEqual([]);
    vi.advanceTimersByTime(1_000);
    expect(told.map((e) => e.kind)).toEqual(["timed_out"]);
    expect(told[0]!.message).toMatch(/takes no bytes: check the cable/);
    await turnOfLoop();
    expect(told).toHaveLength(1);
  });

  test("a slow line is not a dead one: at 300 baud a write has the time it takes", async () => {
    const pty = ptyOf();
    const port = await openSerial(pty.path, 300);
    opened.push(port);
    let came = 0;
    pty.onBytes = (bytes) => { came += bytes.length; };
    const told: BoardError[] = [];
    port.onClose = (error) => told.push(error);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    pty.pause();
    port.write(pattern(limits.lineBytesMax, 1));
    await settled();
    vi.advanceTimersByTime(60_000);
    pty.resume();
    await until(() => came === limits.lineBytesMax);
    expect(told).toEqual([]);
  });

  test("what nobody reads stays with the driver, whole, and no more than a bound is held", async () => {
    const pty = ptyOf();
    const port = await portOn(pty);
    const sent = pattern(4 * limits.lineBytesMax, 5);
    for (let at = 0; at < sent.length; at += 4096) pty.write(sent.subarray(at, at + 4096));
    await settled();
    const held: Uint8Array[] = [];
    for (let bytes = port.read(); bytes !== undefined; bytes = port.read()) held.push(bytes);
    const first = new Uint8Array(Buffer.concat(held));
    expect(first.length).toBeLessThanOrEqual(2 * limits.lineBytesMax);
    const rest = await take({ carry: turnOfLoop }, port, sent.length - first.length);
    expect(Buffer.compare(Buffer.concat([first, rest]), sent)).toBe(0);
  });

  test("unplugged at any moment of its first second of life, the port is closed and not read for ever", async () => {
    for (let turns = 0; turns < 12; turns++) {
      const pty = ptyOf();
      const port = await portOn(pty);
      let told = 0;
      port.onClose = () => { told++; };
      for (let i = 0; i < turns; i++) await turnOfLoop();
      pty.close();
      await until(() => told === 1);
    }
  });

  const faults: [string, () => Promise<unknown>, string, RegExp][] = [
    ["a path that is not there", () => openSerial("/dev/no-such-port", 9600), "absent", /plug it in, or correct its path/],
    ["a port that another program holds", async () => { const pty = ptyOf(); await portOn(pty); await openSerial(pty.path, 9600); }, "busy", /stop the other program/],
    ["a path that is no port", () => openSerial("/dev/null", 9600), "broken", /failed/],
  ];
  test.each(faults)("%s: a BoardError that says what to do", async (_name, work, kind, says) => {
    const error = await work().then(() => undefined, (e: unknown) => e as BoardError);
    expect(error).toMatchObject({ kind, message: expect.stringMatching(says) as unknown });
  });
});
