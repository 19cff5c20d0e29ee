/**
 * A terminal whose clock was set wrongly, before a real host: it is told the time all the same, because it asks with a
 * nonce of its own, and goes right from then on (`trust.md` §2, "Terminal without a clock").
 */
import { afterEach, expect, test } from "vitest";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLine } from "../../boards/bench/pty.js";
import { makeClock } from "../../boards/node/clock.js";
import { enrolBoard, openNodeBoard, startTerminal } from "../../boards/node/terminal-board.js";
import { startHost } from "../../host/host.js";
import { gate } from "../../runtime/role/gate.js";
import { media } from "../../protocol/link/media.js";

const opened: (() => void | Promise<void>)[] = [];
afterEach(async () => { for (const close of opened.splice(0).reverse()) await close(); });

test.each([["a day ahead", 86_400, true], ["a day behind", -86_400, true], ["an hour ahead", 3600, true], ["right", 0, true], ["not set, in 1970", -Date.now() / 1000, false]])("%s: synced, and right afterwards", async (_name, wrongSeconds, isSet) => {
  const folder = mkdtempSync(join(tmpdir(), "kaisatsu-clock-"));
  opened.push(() => rmSync(folder, { recursive: true, force: true }));
  const host = await startHost({ folder: join(folder, "host"), name: "example", port: 0 });
  opened.push(() => host.close());
  const api = async (path: string, body: object): Promise<unknown> =>
    (await fetch(host.url + path, { method: "POST", headers: { authorization: `Bearer ${host.operatorToken}`, "content-type": "application/json" }, body: JSON.stringify(body) })).json();
  await api("/api/merchants", { merchant: "hall", name: "Example Hall" });
  const made = await api("/api/terminals", { name: "North", role: "gate", merchant: "hall", zones: [1], takes: [{ kind: "ticket", action: 1, zone: 1 }] });
  const { claimCode } = made as { claimCode: string };
  const line = openLine({ baud: 0 });
  const board = await openNodeBoard({ name: "North", folder: join(folder, "gate"), link: { port: line.a, baud: 115_200 } });
  const begin = performance.now();
  const clock = makeClock({ monotonicMs: () => performance.now() - begin, systemMs: () => Date.now() + wrongSeconds * 1000, isSet: () => isSet });
  expect(await enrolBoard({ ...board, clock }, host.url, claimCode, "test")).toHaveProperty("digits");
  const running = startTerminal({ ...board, clock }, gate, media.serial, host.url, () => undefined);
  opened.push(() => { running.stop(); board.close(); line.close(); });
  while (clock.utc().quality !== 3 || !running.running.synced()) await new Promise<void>((done) => setImmediate(done));
  expect(Math.abs(clock.utc().at - Date.now() / 1000)).toBeLessThan(3);
});
