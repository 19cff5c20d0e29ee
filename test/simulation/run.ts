/**
 * Runs one plan through its phases: *warm-up* without faults, *safety* with all of them, *heal* (faults off, everybody powered,
 * clocks set, host up), *liveness* (each honest holder comes through within three attempts, sync drains within a stated
 * virtual time), and the final reading against the model.
 */
import type { Base } from "./base.js";
import { worldFrom } from "./base.js";
import { copyOfPages } from "./pages.js";
import { boot, powerOff, soon, withPower, type GateActor } from "./gate.js";
import { answerOf, approach, kill, leave, rollBack, talk, type HandsetActor } from "./handset.js";
import { checkEnd } from "./model.js";
import { shownProducts } from "./scanner.js";
import type { Violation } from "./oracle.js";
import { joinedIn, joinings } from "./joined.js";
import type { Action, Plan } from "./plan.js";
import { backUpOrRestore, declareGaps } from "./restored.js";
import { drained } from "./schedule.js";
import { addGate, addHandset, gateKinds, type World } from "./world.js";
import { configure } from "../../host/terminals.js";
import { setStatus } from "../../host/status.js";
import { audit } from "../../host/context.js";
import { transact } from "../../host/database.js";
import { closeNow } from "../../runtime/terminal.js";
import { refreshBody, reportBody, takeRefreshed } from "../../runtime/sync/handset-sync.js";
import { newestOf, newestReceipt, type WalletValue } from "../../runtime/value/wallet.js";
import { acknowledgementToSign } from "../../protocol/wire/receipt.js";
import { decodeReported } from "../../protocol/wire/handset-letters.js";
import { messageType } from "../../protocol/wire/sync.js";
import { hex } from "../../protocol/wire/bytes.js";
import { intent } from "../../protocol/wire/message.js";
import { simCrypto as crypto } from "./crypto.js";

export interface Result { seed: number; taps: number; trace: string; violations: Violation[]; fired: Record<string, number>; met: Record<string, number>; pairs: string[]; last: string[]; events: number }

const us = 1e6;
/** Once faults have stopped, sync drains within this virtual time (I12). */
const drainSeconds = 300;
const attemptsMost = 3;

/** `hear` gets every line of the trace. */
export async function runPlan(base: Base, plan: Plan, hear?: (line: string) => void): Promise<Result> {
  const world = await worldFrom(base, plan);
  world.hear = hear;
  const o = world.oracle;
  try {
    await warmUp(world);
    if (o.violations.length === 0) await safety(world);
    if (o.violations.length === 0) await heal(world);
    if (o.violations.length === 0) await liveness(world);
    if (o.violations.length === 0) await drain(world);
    if (o.violations.length === 0) await checkEnd(world);
  } catch (error) {
    o.threw("the simulator", error);
  }
  for (const g of world.gates) { if (g.next !== undefined) g.next.cancelled = true; g.terminal = undefined; }
  world.host.hangUp();
  await drained();
  await world.host.close();
  // A test runner has timers of its own in this process; `npm run sim` has none.
  const timers = process.env["VITEST"] !== undefined ? [] : process.getActiveResourcesInfo().filter((x) => x === "Timeout" || x === "Immediate");
  if (timers.length > 0) o.broken("determinism", `real ${timers.join(", ")} at the end of a run`);
  for (const [result, n] of Object.entries(world.host.counted)) o.met[`envelope ${result}`] = n;
  Object.assign(o.met, world.pairs.used);
  return { seed: plan.seed, taps: world.taps, trace: world.digest(), violations: o.violations, fired: world.desk.fired, met: o.met, pairs: world.pairs.met(), last: world.last(), events: world.schedule.events };
}

async function until(world: World, seconds: number): Promise<void> {
  await world.schedule.run(world.schedule.nowUs + seconds * us, () => world.oracle.violations.length > 0);
}

async function warmUp(world: World): Promise<void> {
  const honest = world.handsets[world.plan.config.handsets[0]!]!;
  if (world.plan.config.lies > 0) world.pairs.begins("liar");
  tap(world, honest, world.gates[world.plan.seed % 4]!, world.plan.seed);
  await until(world, 20);
}

// ---- safety -------------------------------------------------------------------------------------------------------------------

async function safety(world: World): Promise<void> {
  world.desk.quiet = false;
  let before = 0;
  for (const action of world.plan.workload) {
    await until(world, (action.at - before) / 1000);
    before = action.at;
    if (world.oracle.violations.length > 0) return;
    await act(world, action);
  }
  await until(world, 20);
}

async function act(world: World, a: Action): Promise<void> {
  const h = world.handsets[a.handset]!;
  const g = world.gates[a.gate]!;
  world.note("plan", a.do, `${a.handset} ${a.gate} ${a.arg}`);
  world.oracle.met[`does ${a.do}`] = (world.oracle.met[`does ${a.do}`] ?? 0) + 1;
  switch (a.do) {
    case "tap": tap(world, copyOrSelf(world, h, a.arg), g, a.arg); break;
    case "torn_tap": tap(world, h, g, a.arg); if (h.meeting?.gate === g) tear(world, h); break;
    case "dawdle": h.dawdles = true; tap(world, h, g, a.arg); break;
    case "pair": {
      const other = world.handsets[(a.arg >>> 4) % world.handsets.length]!;
      tap(world, h, g, a.arg);
      world.pairs.happened("two handsets", g.name);
      if (other !== h) world.schedule.afterMs(a.arg % 700, () => tap(world, other, g, a.arg >>> 8));
      break;
    }
    case "online": online(world, g, [2, 10, 40][a.arg % 3]!); break;
    case "everybody_online": for (const x of world.gates) online(world, x, [5, 30][a.arg % 2]!); break;
    case "refresh": refresh(world, h, valueFor(h, a.arg)); break;
    case "report": report(world, h, valueFor(h, a.arg)); break;
    case "clone": copyOf(world, h); break;
    case "roll_back": rollBack(h); break;
    case "revoke": case "suspend": await changeStatus(world, h, a); break;
    case "configure": await reconfigure(world, g, a.arg); break;
    case "travel": await until(world, [3600, 4 * 3600, 86_400, 8 * 86_400, 16 * 86_400, 40 * 86_400][a.arg % 6]!); world.pairs.happened("days pass"); break;
    case "outage": outage(world, (a.arg % 300) * 1000); break;
    case "restore_host": await backUpOrRestore(world); break;
    case "steal_key": steal(world, g); break;
    case "reboot": if (g.terminal !== undefined) { world.pairs.happened("reboot", g.name); powerOff(g, a.arg % 20_000); } break;
    case "close": if (g.terminal !== undefined) { world.pairs.happened("closed", g.name); withPower(g, () => { closeNow(g.terminal!); world.oracle.polled(g); }); soon(g); } break;
    default: await joinings.find((j) => j.actions.some((x) => x.do === a.do))!.act(world, a);
  }
}

function outage(world: World, forMs: number): void {
  world.host.down = true;
  world.pairs.begins("outage");
  world.schedule.afterMs(forMs, () => { world.host.down = false; world.pairs.ends("outage"); });
}

/** He walks away in the middle: before his handset agrees to the receipt it has just stored, or at any moment. */
function tear(world: World, h: HandsetActor): void {
  const m = h.meeting;
  const ms = world.draw("torn").pick([-1, -1, -1, 40, 120, 400]);
  h.tears = ms < 0;
  if (ms >= 0) world.schedule.afterMs(ms, () => { if (h.meeting === m && !world.desk.quiet) { world.desk.struck("leave", h.meeting!.gate.name); leave(h); } });
}

/** A copy of this handset taps half the time, where there is one. */
function copyOrSelf(world: World, h: HandsetActor, luck: number): HandsetActor {
  const copies = world.handsets.filter((x) => x.clone && x.index === h.index);
  return copies.length > 0 && luck % 2 === 0 ? copies[luck % copies.length]! : h;
}

/** Any value but the reserve. */
function valueFor(h: HandsetActor, luck: number): WalletValue {
  const usable = h.wallet.values.filter((v) => v.name !== "reserve" && !shownProducts.includes(v.name));
  return usable[luck % usable.length]!;
}

function tap(world: World, h: HandsetActor, g: GateActor, luck: number): void {
  const v = valueFor(h, luck >>> 3);
  if (!approach(h, g, v, answerOf(h, v, luck >>> 8))) return;
  if (v.grant !== undefined && (luck >>> 5) % 3 > 0) {
    h.wallet.profile = "B";
    const newest = newestOf(v.grantReceipts);
    h.wallet.intent = newest === undefined || newest.state !== "unresolved" ? intent.use : (luck >>> 9) % 3;
  }
  world.taps++;
  noteTap(world, h, g, v);
}

const sorts: Record<string, string> = { ticket: "ticket", coupon: "coupons", card: "prepaid", pass: "pass" };
/** What this tap makes use of. */
function noteTap(world: World, h: HandsetActor, g: GateActor, v: WalletValue): void {
  const places = [h.name, g.name];
  const uses = [h.wallet.profile === "B" ? "profile B" : "profile A", sorts[v.value.kind]!];
  if (h.wallet.intent === intent.resume) uses.push("resume");
  if (h.wallet.intent === intent.inquire) uses.push("inquire");
  if (h.rolledBack) uses.push("rolled-back handset");
  else if (h.copied) uses.push("copied handset");
  for (const feature of uses) world.pairs.happened(feature, ...places);
}

function online(world: World, g: GateActor, seconds: number): void {
  if (g.stolen) world.gates[g.index]!.impersonated = true;
  g.onlineUntilUs = Math.max(g.onlineUntilUs, world.schedule.nowUs + seconds * us);
  soon(g);
}

function copyOf(world: World, h: HandsetActor): void {
  if (world.handsets.filter((x) => x.clone).length >= 3) return;
  for (const x of world.handsets) if (x.index === h.index) x.copied = true;
  addHandset(world, h.index, h.trust, h);
}

function refresh(world: World, h: HandsetActor, v: WalletValue): void {
  const body = refreshBody(h.wallet, v.value.valueId);
  const wallet = h.wallet;
  if (body === undefined || h.meeting !== undefined) return;
  talk(h, messageType.refresh, body, (said) => {
    if (h.wallet !== wallet || h.meeting !== undefined) return;
    const code = takeRefreshed(wallet, h.trust, v.value.valueId, said);
    world.pairs.happened("refresh", h.name);
    world.oracle.met[`refreshed ${code}`] = (world.oracle.met[`refreshed ${code}`] ?? 0) + 1;
    world.note(h.name, "refreshed", String(code));
  });
}

function report(world: World, h: HandsetActor, v: WalletValue): void {
  const body = reportBody(h.wallet, h.keys, crypto, v.value.valueId, (receipt) => acknowledgementToSign(crypto, receipt));
  if (body === undefined) return;
  world.pairs.happened("report", h.name);
  talk(h, messageType.report, body, (said) => world.note(h.name, "reported", (decodeReported(said) ?? []).join(" ")));
}

async function changeStatus(world: World, h: HandsetActor, a: Action): Promise<void> {
  const c = world.host.context;
  const id = hex(valueFor(h, a.arg).value.valueId);
  world.pairs.begins("status changed");
  await transact(c.db, async (tx) => { await audit(tx, "operator", `${id} ${a.do}`, c.now()); await setStatus(c, tx, id, a.do === "revoke" ? "revoked" : "suspended"); });
}

async function reconfigure(world: World, g: GateActor, luck: number): Promise<void> {
  const c = world.host.context;
  world.pairs.happened("new configuration");
  await transact(c.db, async (tx) => {
    const t = await tx.selectFrom("terminal").select(["terminal_id", "settings"]).where("name", "=", `gate${g.index}`).executeTakeFirstOrThrow();
    const settings = { ...(JSON.parse(t.settings) as object), resumeSeconds: [60, 600, 3600][luck % 3]!, passageMs: [3000, 8000][luck % 2]! };
    await tx.updateTable("terminal").set({ settings: JSON.stringify(settings) }).where("terminal_id", "=", t.terminal_id).execute();
    await configure(c, tx, t.terminal_id);
  });
}

/** A thief runs a copy of this gate, with its keys and all it knew, on a line of his own. */
function steal(world: World, g: GateActor): void {
  if (world.gates.some((x) => x.stolen) || g.stolen) return;
  const thief = addGate(world, g.index, gateKinds[g.index]!, { stolen: true });
  thief.journal = copyOfPages(g.journal);
  thief.cells = copyOfPages(g.cells);
  for (const [name, secret] of g.keys.secrets) thief.keys.put(name, secret);
  boot(thief);
}

// ---- heal and liveness ------------------------------------------------------------------------------------------------------------

async function heal(world: World): Promise<void> {
  world.desk.quiet = true;
  world.host.down = false;
  for (const h of world.handsets) leave(h);
  for (const g of world.gates) if (g.stolen) { powerOff(g, -1); g.gone = true; }
  await until(world, 70);
  for (const joined of joinedIn(world)) await joined.heal?.(world);
  for (const g of world.gates) if (!g.stolen && g.terminal !== undefined) powerOff(g, 100);
  for (const g of world.gates) { g.aheadSeconds = 0; (g.config as { battery: string }).battery = "good"; (g.config as { random: string }).random = "good"; (g.config as { driftPpm: number }).driftPpm = 0; }
  await until(world, 5);
  await drainAll(world);
}

/** Everybody is on the network until the host has everything and each gate has its news, or the stated time is over. */
async function drainAll(world: World): Promise<void> {
  const begun = world.schedule.nowUs;
  const honest = world.gates.filter((g) => !g.gone && !g.impersonated);
  const joined = joinedIn(world);
  const done = (g: GateActor): boolean => g.terminal !== undefined && g.terminal.confirmed + 1 === g.terminal.journal.next && g.sync!.outstanding.talk === undefined && g.sync!.nextPullMs > g.terminal.board.clock.monotonicMs();
  do {
    for (const g of honest) { g.talksOnly = true; online(world, g, 2); }
    await until(world, 2);
    await declareGaps(world, honest);
  } while (!(honest.every(done) && joined.every((j) => j.isDrained?.(world) ?? true)) && world.schedule.nowUs < begun + drainSeconds * us && world.oracle.violations.length === 0);
  for (const g of honest) { g.talksOnly = false; checkDrained(world, g); }
  for (const j of joined) if (j.isDrained?.(world) === false) world.oracle.broken("I12", `${j.name} has something left that the host did not take within ${drainSeconds} s`);
}

function checkDrained(world: World, g: GateActor): void {
  if (g.gone || g.impersonated) return;
  const t = g.terminal;
  if (t === undefined) { world.oracle.broken("I12", `${g.name} is still off`); return; }
  if (t.outOfService !== "") { world.oracle.broken("I12", `${g.name} stays out of service: ${t.outOfService}`); return; }
  if (t.confirmed + 1 !== t.journal.next) world.oracle.broken("I12", `${g.name} has ${t.journal.next - 1 - t.confirmed} entries that the host did not take within ${drainSeconds} s`);
}

async function liveness(world: World): Promise<void> {
  for (const h of world.handsets) {
    if (h.clone || h.copied || !world.plan.config.handsets.includes(h.index)) continue;
    const reserve = h.wallet.values.find((v) => v.name === "reserve")!;
    // A gate that a thief spoke for is suspended until an operator sorts it out (`trust.md`, anti-cloning): nothing is promised of it.
    const gate = [0, 1, 2, 3].map((n) => world.gates[(world.plan.seed + h.index + n) % 4]!).find((g) => !g.impersonated && !g.gone && g.config.only !== "B");
    if (gate === undefined) return;
    refresh(world, h, reserve);
    await until(world, 2);
    if (world.oracle.violations.length > 0) return;
    await comesThrough(world, h, gate, reserve);
    if (world.oracle.violations.length > 0) return;
  }
}

/** A tap with a good value completes within three attempts (I12). */
async function comesThrough(world: World, h: HandsetActor, gate: GateActor, v: WalletValue): Promise<void> {
  const codes: number[] = [];
  for (let attempt = 1; attempt <= attemptsMost; attempt++) {
    const before = newestReceipt(v)?.counter ?? 0;
    approach(h, gate, v, answerOf(h, v, 0));
    world.taps++;
    const m = h.meeting;
    await until(world, 16);
    for (const e of m?.events ?? []) if (e.event === "shown") codes.push(e.code);
    const now = newestReceipt(v)?.counter ?? 0;
    if (now > before && h.passed.has(`${hex(v.value.valueId)}:${now}`)) { world.oracle.met[`through in ${attempt}`] = (world.oracle.met[`through in ${attempt}`] ?? 0) + 1; return; }
  }
  world.oracle.broken("I12", `${h.name} did not come through ${gate.name} in ${attemptsMost} attempts: shown ${codes.join(", ")}`);
}

/** All taps closed, everything at the host. */
async function drain(world: World): Promise<void> {
  await until(world, 10);
  for (const g of world.gates) if (g.terminal !== undefined) closeNow(g.terminal);
  await drainAll(world);
  for (const h of world.handsets) if (!h.clone && h.index % 3 === world.plan.seed % 3) for (const v of h.wallet.values) report(world, h, v);
  await until(world, 20);
}
export { kill };
