/**
 * A handset on a Node machine before a terminal's line, carrying letters (S7): each job is a promise. What it carries for others
 * stands in its own storage, durable before the terminal is left, and is posted wherever a network is.
 */
import { postEnvelope } from "./network.js";
import type { Phone } from "./phone.js";
import type { BoardError, Serial } from "../../runtime/board.js";
import { readCell, writeCell } from "../../runtime/journal/cells.js";
import { give, makeCourier, pollCourier, type Done, type Job } from "../../runtime/carry/courier.js";
import { openStatement, askStatement, type Payer } from "../../runtime/charges/payer.js";
import type { CheckedStatement } from "../../runtime/charges/verify.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { media } from "../../protocol/link/media.js";
import { limits } from "../../protocol/limits.js";
import { hex } from "../../protocol/wire/bytes.js";
import { brought, decodeCard, encodeCard, letterId, type Carried, type Here } from "../../protocol/wire/carry.js";

export interface Meeting {
  /** What the terminal said of itself. */
  readonly here: Here;
  /** Monotonic milliseconds of this handset. */
  now(): number;
  /** Does one job; `failed` when the terminal does not answer any more. */
  do(job: Job): Promise<Done>;
}

/** Knocks at a terminal and does what `work` wants of it; undefined when nobody answers within some seconds. */
export async function meet<T>(phone: Pick<Phone, "clock" | "random">, line: Serial, withinMs: number, work: (m: Meeting) => Promise<T>): Promise<T | undefined> {
  const courier = makeCourier(phone.clock, phone.random, crypto, line, media.serial, limits.messageBytesMax);
  let told: ((d: Done) => void) | undefined;
  let gone: ((error: BoardError) => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  const turn = (): void => {
    clearTimeout(timer);
    try {
      const due = pollCourier(courier);
      timer = setTimeout(turn, due < 0 ? 50 : Math.max(0, Math.min(50, due - phone.clock.monotonicMs())));
    } catch (error) {
      gone?.(error as BoardError);
    }
  };
  const next = (ms: number): Promise<Done> => new Promise((resolve, reject) => {
    const late = setTimeout(() => resolve({ done: "failed" }), ms);
    const end = (): void => { clearTimeout(late); told = undefined; gone = undefined; };
    told = (d) => { end(); resolve(d); };
    gone = (error) => { end(); reject(error as unknown as Error); };
  });
  courier.onDone = (d) => { const take = told; setTimeout(() => take?.(d), 0); };
  line.onReadable = turn;
  line.onClose = (error) => gone?.(error);
  while (line.read() !== undefined) { /* what was left on the line is not ours */ }
  try {
    const waiting = next(withinMs);
    turn();
    const first = await waiting;
    if (first.done !== "here") return undefined;
    return await work({
      here: first.here, now: () => phone.clock.monotonicMs(),
      do: async (job) => {
        const answer = next(jobWithinMs);
        give(courier, job);
        turn();
        for (let d = await answer; ; d = await next(jobWithinMs)) if (d.done !== "here") return d;
      },
    });
  } finally {
    clearTimeout(timer);
    line.onReadable = undefined;
    line.onClose = undefined;
  }
}
/** Longer than a letter of the greatest length takes at 9,600 baud. */
const jobWithinMs = 90_000;

// ---- one's own ----------------------------------------------------------------------------------------------------------------------

export const payerOf = (p: Phone): Payer => ({ crypto, keys: p.keys, random: p.random, cells: p.cells, trust: p.trust, wallet: p.wallet, signer: "device", opener: "device agreement" });

/** What this user owes here, as the terminal states it: checked. Undefined when the terminal has nothing for him. */
export async function askOwed(p: Phone, m: Meeting, from: number, ocmf: boolean): Promise<{ bytes: Uint8Array; checked: CheckedStatement } | undefined> {
  const letter = askStatement(payerOf(p), m.here.certificate, from, ocmf);
  if (letter === undefined) return undefined;
  const said = await m.do({ job: "bring", letter });
  if (said.done !== "brought" || said.code !== brought.taken) return undefined;
  const answered = await m.do({ job: "answer", id: said.id, untilMs: 0 });
  return answered.done === "answer" && answered.answer !== undefined ? openStatement(payerOf(p), m.here.certificate, answered.answer) : undefined;
}

// ---- carried for others -----------------------------------------------------------------------------------------------------------------

const cell = "carried letters";
export function carriedBy(p: Phone): Carried[] {
  const held = readCell(p.cells, cell);
  return (held === undefined ? undefined : decodeCard(held)) ?? [];
}
/** At most so many and so many bytes, the newest: who carries for others does not run out of room for himself. */
export function keepCarried(p: Phone, letters: readonly Carried[]): void {
  let bytes = 0;
  const kept = [...letters].reverse().filter((x, i) => i < limits.carriedLettersMax && (bytes += x.letter.length + x.answer.length) <= mostCarriedBytes).reverse();
  writeCell(p.cells, cell, encodeCard(kept));
}
const mostCarriedBytes = limits.carriedBytesMax / 4;

const idOf = (letter: Uint8Array): string => hex(letterId(crypto, letter));
/** Adds letters that are not carried yet, and answers of those that are. */
export function addCarried(p: Phone, letters: readonly Carried[]): number {
  const all = carriedBy(p);
  let added = 0;
  for (const x of letters) {
    const known = all.find((y) => idOf(y.letter) === idOf(x.letter));
    if (known === undefined) { all.push(x); added++; } else if (x.answer.length > 0) known.answer = x.answer;
  }
  keepCarried(p, all);
  return added;
}

/** Posts what is carried to the host; answers how many came back with an answer. */
export async function postCarried(p: Phone, road: (letter: Uint8Array) => Promise<Uint8Array | undefined> = (letter) => postEnvelope(p.host, letter, 10_000)): Promise<number> {
  const all = carriedBy(p);
  let answers = 0;
  for (const x of all) {
    if (x.answer.length > 0) continue;
    const answer = await road(x.letter);
    if (answer === undefined) continue;
    x.answer = answer;
    answers++;
  }
  if (answers > 0) keepCarried(p, all);
  return answers;
}

/** At a terminal: brings it the answers that are its own, takes its letters along, and leaves letters where they are passed on. */
export async function exchangeCarried(p: Phone, m: Meeting): Promise<{ brought: number; taken: number; answered: number }> {
  let all = carriedBy(p);
  let back = 0;
  for (const x of all.filter((y) => y.answer.length > 0)) {
    const d = await m.do({ job: "bring", letter: x.answer });
    if (d.done !== "brought" || d.code !== brought.taken) continue;
    all = all.filter((y) => y !== x);
    back++;
  }
  keepCarried(p, all);
  const collected = await m.do({ job: "collect" });
  const taken = collected.done === "collected" ? addCarried(p, collected.letters.map((letter) => ({ letter, answer: new Uint8Array(0) }))) : 0;
  const answered = m.here.passesOn ? await postCarried(p, throughTerminal(m)) : 0;
  return { brought: back, taken, answered };
}

/** A road for sealed letters through the terminal one stands at (U3, P13). */
export const throughTerminal = (m: Meeting) => async (letter: Uint8Array): Promise<Uint8Array | undefined> => {
  const said = await m.do({ job: "bring", letter });
  if (said.done !== "brought" || said.code !== brought.taken) return undefined;
  const answered = await m.do({ job: "answer", id: said.id, untilMs: m.now() + 12_000 });
  return answered.done === "answer" ? answered.answer : undefined;
};
