/**
 * A Firmata board that is not there: StandardFirmata 2.5 spoken on the device side of a pseudo-terminal. It shows what its
 * pins were told and lets a hand push its inputs.
 */
import type { Pty } from "./pty.js";

const sysexStart = 0xf0;
const sysexEnd = 0xf7;
const lengths: Record<number, number> = { 0xf4: 3, 0xf5: 3, 0x90: 3, 0xe0: 3, 0xc0: 2, 0xd0: 2 };

export interface FirmataBoard { onPin: ((pin: number, level: 0 | 1) => void) | undefined; level(pin: number): 0 | 1; setInput(pin: number, level: 0 | 1): void }

export function makeFirmataBoard(pty: Pty, pins = 20, firstAnalog = 14): FirmataBoard {
  const modes = new Array<number>(pins).fill(0);
  const outputs = new Uint8Array(16);
  const inputs = new Uint8Array(16);
  const reported = new Set<number>();
  let held: number[] = [];
  const send = (...bytes: number[]): void => pty.write(new Uint8Array(bytes));
  const report = (port: number): void => send(0x90 | port, inputs[port]! & 127, inputs[port]! >> 7);

  const put = (port: number, value: number): void => {
    const changed = outputs[port]! ^ value;
    outputs[port] = value;
    for (let bit = 0; bit < 8; bit++) if ((changed >> bit) & 1) board.onPin?.(port * 8 + bit, ((value >> bit) & 1) as 0 | 1);
  };
  const command = (m: number[]): void => {
    const kind = m[0]! < 0xf0 ? m[0]! & 0xf0 : m[0]!;
    const channel = m[0]! & 15;
    if (kind === 0xf9) send(0xf9, 2, 5);
    else if (kind === 0xf4) modes[m[1]!] = m[2]!;
    else if (kind === 0xf5) { const port = m[1]! >> 3, bit = 1 << (m[1]! & 7); put(port, m[2] ? outputs[port]! | bit : outputs[port]! & ~bit); }
    else if (kind === 0x90) put(channel, m[1]! | (m[2]! << 7));
    else if (kind === 0xd0) { if (m[1]) { reported.add(channel); report(channel); } else reported.delete(channel); }
  };
  const sysex = (m: number[]): void => {
    if (m[1] === 0x79) send(sysexStart, 0x79, 2, 5, ...[..."Standard"].flatMap((c) => [c.charCodeAt(0) & 127, c.charCodeAt(0) >> 7]), sysexEnd);
    else if (m[1] === 0x6b) send(sysexStart, 0x6c, ...modes.flatMap((_m, pin) => capabilities(pin, firstAnalog)), sysexEnd);
    else if (m[1] === 0x69) send(sysexStart, 0x6a, ...modes.map((_m, pin) => (pin >= firstAnalog ? pin - firstAnalog : 127)), sysexEnd);
    else if (m[1] === 0x6d) send(sysexStart, 0x6e, m[2]!, modes[m[2]!] ?? 0, 0, sysexEnd);
  };
  const hear = (byte: number): void => {
    if (held.length === 0 && byte < 0x80) return;
    if (byte >= 0x80 && byte !== sysexEnd && held.length > 0) held = [];
    held.push(byte);
    if (held.length > 512) held = [];
    else if (held[0] === sysexStart) { if (byte === sysexEnd) { const m = held; held = []; sysex(m); } }
    else if (held.length >= (lengths[held[0]! < 0xf0 ? held[0]! & 0xf0 : held[0]!] ?? 1)) { const m = held; held = []; command(m); }
  };
  pty.onBytes = (bytes) => bytes.forEach(hear);

  const board: FirmataBoard = {
    onPin: undefined,
    level: (pin) => ((outputs[pin >> 3]! >> (pin & 7)) & 1) as 0 | 1,
    setInput: (pin, level) => {
      const port = pin >> 3, bit = 1 << (pin & 7);
      inputs[port] = level === 1 ? inputs[port]! | bit : inputs[port]! & ~bit;
      if (reported.has(port)) report(port);
    },
  };
  return board;
}

/** Input, output, pull-up everywhere; analog where there is any. */
function capabilities(pin: number, firstAnalog: number): number[] {
  if (pin < 2) return [127];
  return [0, 1, 1, 1, 0x0b, 1, ...(pin >= firstAnalog ? [2, 10] : []), 127];
}
