/**
 * Durable writes on the path to opening, counted: everybody waits for them, and on flash each one wears (`tap.md` §10: one at
 * the terminal, one at the handset). What is written lazily goes out with the next durable write and costs nothing here.
 */
import type { Figure, Measure, Table } from "./measure.js";
import { choose, makePhone, makeScene, season, singleUse, tapOnce, type Scene } from "./scene.js";
import { intent, messageType } from "../../protocol/wire/message.js";
import { cobs, deframer, feed } from "../../protocol/link/frame.js";
import { give, wait, type Phone } from "../session/world.js";

/** Syncs of each store, between the handset's first word and the relay. */
export interface Writes { readonly terminal: number; readonly handset: number; /** Until the next tap may begin. */ readonly afterwards: number }

export interface WritesCase { readonly what: string; readonly opens: boolean; readonly writes: Writes }

export function writesCases(): WritesCase[] {
  const { scene, phone } = meet();
  const first = counted(scene, phone);
  const later = [counted(scene, phone), counted(scene, phone), counted(scene, phone)];
  const boardB = meet(true);
  counted(boardB.scene, boardB.phone);
  return [
    { what: "A, terminal unknown to the handset", opens: true, writes: first },
    ...later.map((writes, i) => ({ what: `A, terminal known, tap ${i + 2}`, opens: true, writes })),
    { what: "B", opens: true, writes: counted(boardB.scene, boardB.phone) },
    { what: "A, resumed", opens: true, writes: resumed(scene, phone) },
    { what: "A, refused", opens: false, writes: refused() },
  ];
}

/** A gate that has reserved its tap numbers: that write comes once in a thousand taps. */
function meet(boardB = false): { scene: Scene; phone: Phone } {
  const scene = makeScene("ticket", { boardB });
  tapOnce(makePhone(scene.world), scene.gate);
  const phone = makePhone(scene.world);
  give(phone, season(scene.world), boardB);
  return { scene, phone };
}

function counted(scene: Scene, phone: Phone): Writes {
  const stores = (): number => scene.gate.board.store.syncs + scene.gate.board.cells.syncs;
  const before = { terminal: stores(), handset: phone.cells.syncs };
  let atOpening: { terminal: number; handset: number } | undefined;
  const relay = scene.gate.board.relay;
  const write = relay.write;
  relay.write = (level) => { if (level === 1) atOpening ??= { terminal: stores(), handset: phone.cells.syncs }; write(level); };
  tapOnce(phone, scene.gate);
  relay.write = write;
  const at = atOpening ?? { terminal: stores(), handset: phone.cells.syncs };
  return { terminal: at.terminal - before.terminal, handset: at.handset - before.handset, afterwards: stores() - at.terminal };
}

/** The acknowledgement was lost: the handset has its receipt already, and the terminal writes what it could not. */
function resumed(scene: Scene, phone: Phone): Writes {
  scene.gate.line.b.fault = (bytes) => (messageType(feed(deframer(cobs), bytes)[0]!.payload) === 4 ? [] : [bytes]);
  tapOnce(phone, scene.gate);
  scene.gate.line.b.fault = undefined;
  wait(scene.gate, 3000);
  phone.wallet.intent = intent.resume;
  return counted(scene, phone);
}

function refused(): Writes {
  const { scene, phone } = meet();
  const ticket = singleUse(scene.world);
  give(phone, ticket);
  choose(phone, ticket);
  tapOnce(phone, scene.gate);
  return counted(scene, phone);
}

async function run(): Promise<Table[]> {
  const figures = writesCases().flatMap((c): Figure[] => {
    const row = (who: string, value: number, goal: number): Figure => ({ what: `${c.what}: ${who}`, value, unit: value === 1 ? "write" : "writes", exact: true, goal: { exactly: goal } });
    const handset = c.opens && !c.what.includes("resumed") ? 1 : 0;
    return [row("terminal", c.writes.terminal, c.opens ? 1 : 0), row("handset", c.writes.handset, handset), row("terminal, afterwards", c.writes.afterwards, 0)];
  });
  return [{ title: "Durable writes of a tap, before the gate opens", figures, notes: ["a resumed tap's receipt is already durable on the handset; a refusal writes nothing that anybody waits for"] }];
}

export const writes: Measure = { name: "writes", summary: "durable writes before the gate opens", run };
