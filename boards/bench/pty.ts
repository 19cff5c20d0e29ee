/**
 * Pseudo-terminals without any program: libc through `koffi`. A pair of them with a pump between is a serial line between
 * two real ports, and the pump is where a line is paced, cut or made noisy.
 */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { ReadStream } from "node:tty";
import koffi from "koffi";

export interface Pty {
  /** Path to open with `serialport`. */
  path: string;
  write(bytes: Uint8Array): void;
  onBytes: ((bytes: Uint8Array) => void) | undefined;
  /** Takes no more bytes, so that the port's driver fills up, until `resume`. */
  pause(): void;
  resume(): void;
  /** The rate that the port's owner set, in baud; a pseudo-terminal itself has none. */
  baud(): number;
  /** Unplugs the device. */
  close(): void;
}

/** A program that is started meanwhile must not hold the device too: its port would never hang up. */
const closeOnExec = process.platform === "darwin" ? 0x1000000 : 0o2000000;

/** Opens one pseudo-terminal; this process is its device, `path` its port. Throws where the system has none. */
export function openPty(): Pty {
  const c = libc();
  const master = c.posix_openpt(constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK | closeOnExec) as number;
  if (master < 0 || c.grantpt(master) !== 0 || c.unlockpt(master) !== 0) throw new Error("This system gives no pseudo-terminal: is /dev/pts mounted?");
  const path = c.ptsname(master) as string;
  // Held open, so that a port may be closed and opened again without the device seeing an end.
  const slave = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  const settings = Buffer.alloc(128);
  c.tcgetattr(slave, settings);
  c.cfmakeraw(settings);
  c.tcsetattr(slave, 0, settings);
  const stream = new ReadStream(master);
  const pty: Pty = {
    path, onBytes: undefined,
    write: writerOf(master, () => stream.destroyed),
    pause: () => { stream.pause(); },
    resume: () => { stream.resume(); },
    baud: () => { c.tcgetattr(slave, settings); return rateOf(c.cfgetospeed(settings) as number); },
    close: () => { if (stream.destroyed) return; stream.destroy(); closeSync(slave); },
  };
  stream.on("data", (chunk: Buffer) => pty.onBytes?.(new Uint8Array(chunk)));
  stream.on("error", () => undefined);
  return pty;
}

/** Linux numbers the usual rates (termbits.h), macOS and newer C libraries say them as they are. */
function rateOf(speed: number): number {
  const numbered: Record<number, number> = { 7: 300, 8: 600, 9: 1200, 11: 2400, 12: 4800, 13: 9600, 14: 19200, 15: 38400, 0o10001: 57600, 0o10002: 115200 };
  return numbered[speed] ?? speed;
}

/**
 * Writes in order, and waits where the port's driver has no room: a stream of Node's would block the whole process there,
 * and with it the port that is to make room.
 */
function writerOf(master: number, isClosed: () => boolean): (bytes: Uint8Array) => void {
  const waiting: Uint8Array[] = [];
  const write = (): void => {
    while (waiting.length > 0 && !isClosed()) {
      try {
        const written = writeSync(master, waiting[0]!);
        waiting[0] = waiting[0]!.subarray(written);
        if (waiting[0].length === 0) waiting.shift();
      } catch (error) {
        if ((error as { code?: string }).code !== "EAGAIN") throw error;
        setTimeout(write, 1);
        return;
      }
    }
  };
  return (bytes) => { waiting.push(bytes.slice()); if (waiting.length === 1) write(); };
}

/** What may happen on a line: bytes a second (0 for no pacing), and what becomes of each piece. */
export interface LineOptions { baud: number; toA?: ((bytes: Uint8Array) => Uint8Array[]) | undefined; toB?: ((bytes: Uint8Array) => Uint8Array[]) | undefined }
export interface Line {
  a: string; b: string; options: LineOptions;
  /** Bytes carried each way. */
  carried: { toA: number; toB: number };
  /** Unplugs both ends. */
  close(): void;
}

/** A line between two ports. Ten bits a byte, as 8N1 has. */
export function openLine(options: LineOptions): Line {
  const a = openPty();
  const b = openPty();
  const line: Line = { a: a.path, b: b.path, options, carried: { toA: 0, toB: 0 }, close: () => { a.close(); b.close(); } };
  pump(a, b, line, "toB");
  pump(b, a, line, "toA");
  return line;
}

function pump(from: Pty, to: Pty, line: Line, way: "toA" | "toB"): void {
  let freeAtMs = 0;
  from.onBytes = (bytes) => {
    for (const piece of line.options[way]?.(bytes) ?? [bytes]) {
      line.carried[way] += piece.length;
      const now = performance.now();
      freeAtMs = Math.max(freeAtMs, now) + (line.options.baud === 0 ? 0 : (piece.length * 10_000) / line.options.baud);
      if (freeAtMs - now < 0.5) to.write(piece); else setTimeout(() => to.write(piece), freeAtMs - now);
    }
  };
}

type Libc = Record<"posix_openpt" | "grantpt" | "unlockpt" | "ptsname" | "tcgetattr" | "tcsetattr" | "cfmakeraw" | "cfgetospeed", (...values: unknown[]) => unknown>;
let loaded: Libc | undefined;
function libc(): Libc {
  if (loaded !== undefined) return loaded;
  const lib = koffi.load(process.platform === "darwin" ? "libSystem.dylib" : "libc.so.6");
  loaded = {
    posix_openpt: lib.func("int posix_openpt(int)"), grantpt: lib.func("int grantpt(int)"), unlockpt: lib.func("int unlockpt(int)"), ptsname: lib.func("const char *ptsname(int)"),
    tcgetattr: lib.func("int tcgetattr(int, void *)"), tcsetattr: lib.func("int tcsetattr(int, int, void *)"), cfmakeraw: lib.func("void cfmakeraw(void *)"),
    cfgetospeed: lib.func("unsigned int cfgetospeed(const void *)"),
  };
  return loaded;
}
