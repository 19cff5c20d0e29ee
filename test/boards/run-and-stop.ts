/**
 * A program of one terminal with everything a terminal can have, on pseudo-terminals, before a host that never answers. It
 * runs until both the host and the scanner were heard of, stops, and must then end by itself: whatever is left keeps it up.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFirmataBoard } from "../../boards/bench/firmata-board.js";
import { openLine, openPty } from "../../boards/bench/pty.js";
import { openNodeBoard, startTerminal } from "../../boards/node/terminal-board.js";
import { gate } from "../../runtime/role/gate.js";
import { media } from "../../protocol/link/media.js";

const folder = mkdtempSync(join(tmpdir(), "kaisatsu-run-"));
const host = createServer(() => undefined);
await new Promise<void>((done) => host.listen(0, "127.0.0.1", done));
const url = `http://127.0.0.1:${(host.address() as AddressInfo).port}`;
const [line, scanner, firmata] = [openLine({ baud: 0 }), openPty(), openPty()];
makeFirmataBoard(firmata);
const board = await openNodeBoard({
  name: "north", folder, link: { port: line.a, baud: 115_200 }, scanner: { port: scanner.path, baud: 9600 },
  firmata: { port: firmata.path, pins: { accept: 13, refuse: 12, buzzer: 8, relay: 7, passage: 2 } },
});
const running = startTerminal(board, gate, media.serial, url, () => undefined);
board.panel.show("red", "steady", "l-l-l", "Out of service");
running.running.wake();
running.stop();
board.close();
setTimeout(() => {
  for (const part of [line, scanner, firmata]) part.close();
  host.close();
  rmSync(folder, { recursive: true, force: true });
  process.stdout.write("stopped\n");
}, 300);
