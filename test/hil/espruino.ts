/**
 * An Espruino board that is no board: the finished firmware in the stand-in engine on a pseudo-terminal, flashed, provisioned by a
 * host in this process, and a handset of that host with a grant for its group. To the suite it is a terminal behind a port, as
 * a real one is.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeClock } from "../../boards/node/clock.js";
import { collect, enrolPhone } from "../../boards/node/phone.js";
import { buildBundle, bundleOf } from "../../boards/bench/espruino/bundle.js";
import { carryLetters } from "../../boards/bench/espruino/carry-command.js";
import { startEmulator } from "../../boards/bench/espruino/emulator.js";
import { flashBoard, withLine } from "../../boards/bench/espruino/flashing.js";
import { modelOf } from "../../boards/bench/espruino/models.js";
import { provisionBoard } from "../../boards/bench/espruino/provision-command.js";
import { startHost } from "../../host/host.js";
import { addIssuer, addMerchant, addProduct, sell } from "../../host/products.js";
import { addTerminal } from "../../host/terminals.js";
import { readClaimCode } from "../../protocol/wire/claim.js";

export interface EspruinoBoard {
  readonly port: string;
  /** The folder of its handset. */
  readonly handset: string;
  readonly name: string;
  /** What the firmware did that no board would bear: errors that nobody caught, flash written wrongly. */
  troubles(): string[];
  /** Its letters to the host; answers how many uses the host has counted, and what it found wrong. */
  settle(): Promise<{ uses: number; incidents: string[] }>;
  close(): Promise<void>;
}

/** With a relay that opens, somebody walks. */
export async function startEspruino(board = "xiao-ble", relay = "D29", passage = "D3"): Promise<EspruinoBoard> {
  const model = modelOf(board)!;
  const folder = mkdtempSync(join(tmpdir(), "kaisatsu-board-"));
  const emulator = startEmulator({
    model,
    told: (what) => {
      if (what.is !== "pin" || what.pin !== relay || what.level !== 1) return;
      setTimeout(() => emulator.drive(passage, 1), 50);
      setTimeout(() => emulator.drive(passage, 0), 150);
    },
  });
  const host = await startHost({ folder: ":memory:" });
  const c = host.context;
  await addMerchant(c, { merchant: "hall", name: "Hall" });
  await addIssuer(c, { issuer: "box", name: "Box office" });
  await addProduct(c, {
    product: "swim", name: "Swims", kind: "coupon", sort: "coupons", most: 2000, price: 200_000, zones: [1], until: c.now() + 90 * 86_400, issuer: "box", grantUses: 1000,
    offline: { uses: 1000, amount: 1000, days: 60 },
  });
  const added = await addTerminal(c, { name: "Board", role: "gate", merchant: "hall", zones: [1], takes: [{ kind: "coupon", action: 1, zone: 1 }], board: true, settings: { usesADay: 1000, passageMs: 700 } });
  const code = new TextEncoder().encode((await buildBundle(bundleOf(board, "gate")!)).code);
  await flashBoard(emulator.path, model, code, () => undefined);
  await withLine(emulator.path, model, (line) => provisionBoard(line, host.url, readClaimCode(added.claimCode)!, () => undefined));
  const carry = () => withLine(emulator.path, model, (line) => carryLetters(line, host.url, 400));
  await carry();
  const { phone } = await enrolPhone(folder, host.url, "aiko@example.org", "correct horse battery", "", { clock: makeClock() });
  await sell(c, { product: "swim", user: "aiko@example.org", reference: "one", paid: "desk" });
  await collect(phone);
  phone.store.close();
  return {
    port: emulator.path, handset: folder, name: `the firmware of the ${model.title} in the stand-in engine on ${emulator.path}`,
    troubles: () => [...emulator.engine.errors.map((e) => e.split("\n")[0]!), ...emulator.engine.storage.chip.violations, ...(emulator.engine.storage.compactions > 0 ? ["its files were moved together"] : [])],
    settle: async () => {
      await carry();
      const uses = await c.db.selectFrom("value_use").select((e) => e.fn.countAll<number>().as("n")).where("state", "=", "finished").executeTakeFirstOrThrow();
      return { uses: Number(uses.n), incidents: (await c.db.selectFrom("incident").select("what").execute()).map((i) => i.what) };
    },
    close: async () => { emulator.close(); await host.close(); rmSync(folder, { recursive: true }); },
  };
}
