/**
 * The story of `kaisatsu venue`, in plain lines: what people do, what the gate shows, how many bytes and milliseconds it
 * took, a gift between them, and at the end whether host, terminals and handsets tell the same (S1, S6, S11, P8–P10).
 */
import { tellMeters } from "./meters.js";
import { addGate, addPhone, baud, collect, copyPhone, pause, powerCut, tapAt, until, type GateOnStage, type Seen, type Stage } from "./stage.js";
import type { Context } from "../command.js";
import { refresh, report, type Phone } from "../../node/phone.js";
import * as shop from "../../node/shopping.js";
import { boardFault } from "../../../runtime/journal/store.js";
import { newestOf, newestReceipt, type WalletValue } from "../../../runtime/value/wallet.js";
import { cobs, deframer, feed } from "../../../protocol/link/frame.js";
import { refusals } from "../../../protocol/refusal.js";
import { hex } from "../../../protocol/wire/bytes.js";
import { intent, messageType, type as kinds } from "../../../protocol/wire/message.js";
import { orderState } from "../../../protocol/wire/order.js";
import { decodeReceipt, receiptKind } from "../../../protocol/wire/receipt.js";
import { unit } from "../../../protocol/wire/value.js";

export interface Summary {
  taps: number; opened: number; refused: number; resumed: number; bytes: { fullCertificates: number; knownCertificates: number }; tapMs: { p50: number; p99: number }; ledgerBalanced: boolean;
}

/** Tells it; throws a `BoardError` as soon as anything differs from what it must be. */
export async function tell(stage: Stage, c: Context): Promise<Summary> {
  const teller = new Teller(stage, c);
  await teller.opening();
  await teller.entering();
  await teller.refusing();
  await teller.tearing();
  await teller.turnstile();
  await teller.giving();
  await teller.withoutHost();
  await teller.metering();
  return await teller.reckoning();
}

class Teller {
  private readonly summary = { taps: 0, opened: 0, refused: 0, resumed: 0, full: 0, known: 0 };
  private readonly tapMs: number[] = [];
  private north!: GateOnStage;
  private fare!: GateOnStage;
  private readonly phones: Record<string, Phone> = {};

  constructor(private readonly stage: Stage, private readonly c: Context) {}

  private say(text: string): void { this.c.out(this.c.json ? JSON.stringify({ say: text }) : text); }
  private head(text: string): void { this.say(""); this.say(this.c.paint("bold", text)); }

  // ---- the host, what it sells, who is there ------------------------------------------------------------------------------

  async opening(): Promise<void> {
    const { stage } = this;
    this.head("Before the doors open");
    this.say(`The host of provider "${stage.host.provider}" runs at ${stage.host.url}, its data in ${stage.folder}.`);
    const now = Math.floor(Date.now() / 1000);
    const until = now + 30 * 86_400;
    await stage.api("POST", "/api/merchants", { merchant: "hall", name: "Example Hall" });
    await stage.api("POST", "/api/issuers", { issuer: "box-office", name: "Box office" });
    const product = (x: object): Promise<unknown> => stage.api("POST", "/api/products", { issuer: "box-office", until, zones: [1], merchantShare: 9000, ...x });
    await product({ product: "concert", name: "Concert, standing", kind: "ticket", sort: "ticket", price: 3000 });
    await product({ product: "swim-3", name: "Three swims", kind: "swim", sort: "coupons", most: 3, price: 1200 });
    await product({ product: "swim-20", name: "Twenty swims", kind: "swim", sort: "coupons", most: 20, price: 6000, offline: { uses: 20, amount: 20, days: 60 } });
    await product({ product: "card-20", name: "Card of 20.00 EUR", kind: "card", sort: "prepaid", most: 2000, price: 2000 });
    await product({ product: "balcony", name: "Concert, balcony", kind: "ticket", sort: "ticket", price: 4000, zones: [9] });
    await product({ product: "early", name: "Early bird, 2 seconds", kind: "ticket", sort: "ticket", price: 1000, until: now + 6 });
    const list = "Order code,Position ID,Status,Attendee name,Attendee email,Product\nQ7F2,1,Paid,Aiko Tanaka,aiko@example.org,concert\nQ7F2,2,Paid,Ben Okafor,ben@example.org,concert\nQ7F2,3,Paid,Aiko's guest,aiko@example.org,concert\nM3XX,1,Canceled,Nobody,no@example.org,concert\n";
    const imported = await stage.api<{ issued: number; values: { user: string; invitation?: string }[] }>("POST", "/api/import", { format: "pretix", list });
    this.say(`An attendee list (a pretix order export) was imported: ${imported.issued} tickets issued, one cancelled line left out. Each guest is sent an invitation code.`);
    const invitations = new Map(imported.values.map((v) => [v.user, v.invitation]));
    const settings = { passageMs: 1500, resumeSeconds: 5 };
    const takes = [{ kind: "ticket", action: 1, zone: 1 }, { kind: "swim", action: 1, zone: 1 }];
    this.north = await addGate(stage, { name: "North", merchant: "hall", zones: [1], takes, settings });
    this.fare = await addGate(stage, { name: "Fares", merchant: "hall", zones: [1], takes: [{ kind: "card", action: 3, zone: 1 }], tariffs: [{ kind: "card", price: 350 }], settings });
    this.say(`Two gates enrolled by their claim codes. Handsets talk to them over ${this.north.line.b} and ${this.fare.line.b} at ${baud} baud; lights and turnstiles are Firmata boards.`);
    await eventually(() => stage.gates.every((g) => g.terminal.setup.statusBits !== undefined), "the gates fetched no status list");
    for (const name of ["aiko", "ben"]) this.phones[name] = await addPhone(stage, name + "@example.org");
    const sell = (productId: string, user: string, reference: string): Promise<unknown> => stage.api("POST", "/api/sales", { product: productId, user: user + "@example.org", reference, paid: "desk" });
    for (const [p, u, r] of [["swim-3", "aiko", "D1"], ["card-20", "aiko", "D2"], ["balcony", "ben", "D3"], ["early", "ben", "D4"], ["swim-20", "ben", "D5"], ["card-20", "ben", "D6"]] as const) await sell(p, u, r);
    for (const [name, phone] of Object.entries(this.phones)) this.say(`${title(name)}'s handset enrols and collects: ${(await collect(phone, invitations.get(name + "@example.org"))).join(", ")}.`);
  }

  // ---- good taps ------------------------------------------------------------------------------------------------------------

  async entering(): Promise<void> {
    this.head("Doors open");
    const first = await this.tap("aiko", "ticket", this.north, "Aiko shows her ticket", 0, {}, "Aiko Tanaka");
    this.summary.full = first.bytes;
    await this.tap("aiko", "ticket", this.north, "Aiko shows the same ticket again", 14, {}, "Aiko Tanaka");
    const second = await this.tap("aiko", "ticket", this.north, "Aiko lets a guest in with her second ticket; her handset knows the gate by now", 0, {}, "Aiko's guest");
    this.summary.known = second.bytes;
    const coupons = this.pick("aiko", "swim");
    for (let left = 2; left >= 0; left--) await this.tap("aiko", "swim", this.north, `Aiko uses her coupon book: ${left} left`, 0);
    if (newestReceipt(coupons)!.after !== 3) throw wrong("the coupon book did not count to three");
    await this.tap("aiko", "swim", this.north, "Aiko tries a fourth swim", 25);
    await this.tap("aiko", "card", this.fare, "Aiko pays 3.50 with her card, silently", 0);
    await this.tap("aiko", "card", this.fare, "Aiko pays 3.50, asked first", 0, { silentAmount: 100 });
    const ben = await this.tap("ben", "ticket", this.north, "Ben shows his ticket; his handset meets this gate for the first time", 0, {}, "Ben Okafor");
    this.summary.full = Math.max(this.summary.full, ben.bytes);
  }

  // ---- refused ----------------------------------------------------------------------------------------------------------------

  async refusing(): Promise<void> {
    this.head("What is refused, and why");
    const forged = this.pick("aiko", "ticket");
    const genuine = forged.signed.signature;
    const kept = forged.receipts;
    forged.receipts = [];
    forged.signed = { ...forged.signed, signature: genuine.map((b, i) => (i === 40 ? b ^ 1 : b)) as Uint8Array };
    await this.tap("aiko", "ticket", this.north, "A forged ticket", 9);
    forged.signed = { ...forged.signed, signature: genuine };
    forged.receipts = kept;
    await this.tap("ben", "ticket", this.north, "A ticket for another entrance", 22, {}, "Concert, balcony");
    // A gate counts whole seconds from signed time: it may be two behind the clock on the wall.
    await eventually(() => Date.now() / 1000 > this.pick("ben", "ticket", "Early bird, 2 seconds").value.expires + 2, "the early ticket did not end", 12_000);
    await this.tap("ben", "ticket", this.north, "An expired ticket", 21, {}, "Early bird, 2 seconds");
    const card = this.pick("ben", "card");
    await this.stage.api("POST", `/api/values/${hex(card.value.valueId)}/status`, { state: "revoked", why: "reported lost" });
    const before = this.fare.terminal.setup.listNumber;
    await eventually(() => this.fare.terminal.setup.listNumber > before, "the status list did not arrive", 15_000);
    await this.tap("ben", "card", this.fare, "A card revoked at the host, one sync later", 11);
    const thief = copyPhone(this.stage, this.phones["ben"]!, "thief");
    this.phones["thief"] = thief;
    await this.tap("ben", "swim", this.north, "Ben uses a swim", 0);
    await this.tap("thief", "swim", this.north, "A copy of Ben's handset, made a moment before", 15);
  }

  // ---- torn ---------------------------------------------------------------------------------------------------------------------

  /** The line goes dead at one message after the other; each time the holder taps again and is charged once. */
  async tearing(): Promise<void> {
    this.head("Taps torn at each of their messages");
    const book = this.pick("ben", "swim");
    const names: [string, number, "toA" | "toB"][] = [["hello", kinds.hello, "toB"], ["presentation", kinds.presentation, "toA"], ["answer", kinds.answer, "toB"], ["acknowledgement", kinds.acknowledgement, "toA"], ["outcome", kinds.outcome, "toB"]];
    for (const [name, type, way] of names) {
      const before = newestReceipt(book)!.after;
      const torn = await this.quietTap("ben", "swim", this.north, { cut: cutAt(type, way) });
      const opened = torn.shown?.code === 0;
      const unresolved = newestOf(book.receipts)!.state === "unresolved";
      this.say(`  The line goes dead at the ${name}: ${opened ? "the gate had opened" : "the gate stayed shut"}${unresolved ? ", the handset keeps a receipt to resolve" : ""}.`);
      if (!opened || unresolved) await this.again(book, opened);
      if (newestReceipt(book)!.after !== before + 1) throw wrong(`a tap torn at its ${name} charged ${newestReceipt(book)!.after - before} uses`);
    }
    this.say("  Five torn taps, five uses charged, five passages.");
    const before = newestReceipt(book)!.after;
    await this.quietTap("ben", "swim", this.north, { cut: cutAt(kinds.acknowledgement, "toA") });
    powerCut(this.stage, this.north);
    this.say("  The gate loses power before it could record: its own signature, shown back, is proof.");
    await this.again(book, false);
    if (newestReceipt(book)!.after !== before + 1) throw wrong("a power cut charged twice");
  }

  private async again(book: WalletValue, opened: boolean): Promise<void> {
    const unresolved = newestOf(book.receipts)?.state === "unresolved";
    const text = opened ? "Ben asks what became of it (inquire)" : unresolved ? "Ben was not let through: he resumes" : "Ben taps again";
    await this.tap("ben", "swim", this.north, text, opened ? 14 : 0, { intent: opened ? intent.inquire : unresolved ? intent.resume : intent.use });
    if (unresolved) this.summary.resumed++;
  }

  // ---- turnstile ------------------------------------------------------------------------------------------------------------------

  async turnstile(): Promise<void> {
    this.head("A turnstile that does not turn");
    const book = this.pick("ben", "swim");
    const before = newestReceipt(book)!.after;
    const stuck = await this.tap("ben", "swim", this.north, "Ben is let through, but does not walk", 0, { walks: false });
    if (!stuck.result.walkAgain) throw wrong("the handset was not told to walk again");
    if (newestOf(book.receipts)!.state !== "unresolved") throw wrong("the handset took its holder for inside, who is not");
    await this.tap("ben", "swim", this.north, "He walks through again here, at no charge", 0, { intent: intent.resume });
    this.summary.resumed++;
    await this.tap("ben", "swim", this.north, "Once more he does not walk, and goes away", 0, { walks: false });
    const entries = this.north.terminal.journal.next;
    await eventually(() => this.north.terminal.journal.next > entries + 1 && this.north.terminal.verifier.state === "idle", "the use was not given back", 12_000);
    await this.tap("ben", "swim", this.north, "Later he asks: the use was given back", 19, { intent: intent.inquire });
    await this.tap("ben", "swim", this.north, "His next use folds it in", 0);
    if (newestReceipt(book)!.after !== before + 2) throw wrong("the reversed use was charged");
  }

  // ---- a gift (P8–P10) --------------------------------------------------------------------------------------------------------------

  /** Ordered and paid on one handset, for somebody who has none yet; who thanks in words that the host cannot read. */
  async giving(): Promise<void> {
    this.head("A gift");
    const { stage } = this, aiko = this.phones["aiko"]!;
    await stage.api("POST", "/api/products", { product: "purse-50", name: "Card of 50.00 EUR", kind: "purse", sort: "prepaid", most: 5000, price: 5000, issuer: "box-office", until: Math.floor(Date.now() / 1000) + 30 * 86_400 });
    await stage.api("POST", "/api/articles", { article: "concert", sort: "value", stock: 100 });
    await stage.api("POST", "/api/sales", { product: "purse-50", user: "aiko@example.org", reference: "D7", paid: "desk" });
    await collect(aiko);
    const id = await shop.order(aiko, [{ to: { kind: "user", user: "chie@example.org" }, delivery: { by: "handset" }, at: 0, lines: [{ article: "concert", count: 1 }] }]);
    const [bill] = await shop.bills(aiko);
    this.say(`  Aiko orders a ticket for Chie, who is not registered. The bill comes to her handset: ${bill!.items[0]!.name}, ${(bill!.total / 100).toFixed(2)} EUR, ordered by herself.`);
    if ((await shop.pay(aiko, bill!, { value: this.pick("aiko", "purse") })) !== orderState.held) throw wrong("the gift to a stranger was not held");
    const [text] = await stage.api<{ text: string }[]>("GET", "/api/texts");
    this.say("  She pays from her card. The money waits in an account of its own, at most thirty days; Chie is sent a token.");
    this.phones["chie"] = await addPhone(stage, "chie@example.org");
    const chie = this.phones["chie"]!;
    if (!(await shop.claimGift(chie, /[0-9A-Z]{4}(-[0-9A-Z]{4}){4}/.exec(text!.text)![0]))) throw wrong("the gift was not claimed");
    this.say(`  Chie enrols, claims it, and collects: ${(await collect(chie)).join(", ")}.`);
    await shop.fetchMail(chie);
    await shop.thank(chie, shop.giftsHere(chie)[0]!, chie.wallet.values, "See you inside!");
    await shop.fetchMail(aiko);
    const [thanks] = shop.thanksHere(aiko);
    if (thanks?.thanks.message !== "See you inside!" || hex(thanks.thanks.order) !== hex(id)) throw wrong("the thanks did not arrive");
    this.say(`  Her handset answers with a signed receipt and a word that the host passes on and cannot read: "${thanks.thanks.message}"`);
    await this.tap("chie", "ticket", this.north, "Chie shows her ticket", 0);
  }

  // ---- the host is away -------------------------------------------------------------------------------------------------------------

  async withoutHost(): Promise<void> {
    this.head("The host is stopped");
    await this.stage.stopHost();
    for (let i = 0; i < 3; i++) await this.tap("ben", "swim", this.north, "Ben swims while the host is away", 0);
    await this.tap("aiko", "card", this.fare, "Aiko pays 3.50 while the host is away", 0);
    await this.stage.restartHost();
    this.say("The host is back; the gates post what they recorded.");
    await eventually(() => this.stage.gates.every((g) => g.running.synced()), "the journals did not reach the host", 30_000);
  }

  // ---- a meter ------------------------------------------------------------------------------------------------------------------------

  async metering(): Promise<void> {
    this.head("A meter that never has a network");
    await tellMeters(this.stage, this.phones["aiko"]!, this.pick("aiko", "card"), (text) => this.say(text));
  }

  // ---- the books ------------------------------------------------------------------------------------------------------------------------

  async reckoning(): Promise<Summary> {
    this.head("Do all three sides agree?");
    let agree = true;
    for (const [name, phone] of Object.entries(this.phones).filter(([n]) => n !== "thief")) {
      for (const v of phone.wallet.values) agree = (await this.compare(name, phone, v)) && agree;
    }
    const ledger = await this.stage.api<{ balance: Record<string, number>; breaches: unknown[] }>("GET", "/api/ledger?currency=EUR");
    const total = Object.values(ledger.balance).reduce((sum, minor) => sum + minor, 0);
    const merchant = Object.entries(ledger.balance).filter(([a]) => a.startsWith("merchant/")).reduce((sum, [, minor]) => sum - minor, 0);
    const balanced = agree && ledger.breaches.length === 0 && total === 0;
    this.say(`The books: debits and credits differ by ${total}, ${ledger.breaches.length} checks broken, the merchant is owed ${(merchant / 100).toFixed(2)} EUR.`);
    const incidents = await this.stage.api<unknown[]>("GET", "/api/incidents");
    if (!balanced || incidents.length > 0) throw wrong(`the books and the receipts differ (${JSON.stringify(incidents)})`);
    const book = this.pick("ben", "swim");
    if ((await refresh(this.phones["ben"]!, book.value.valueId)) !== 0) throw wrong("the host gave no new base");
    this.say("Ben's handset fetched a receipt of the provider: its offline limits begin anew.");
    const sorted = [...this.tapMs].sort((a, b) => a - b);
    const at = (q: number): number => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]! * 10) / 10;
    const s = this.summary;
    return { taps: s.taps, opened: s.opened, refused: s.refused, resumed: s.resumed, bytes: { fullCertificates: s.full, knownCertificates: s.known }, tapMs: { p50: at(0.5), p99: at(0.99) }, ledgerBalanced: balanced };
  }

  private async compare(name: string, phone: Phone, v: WalletValue): Promise<boolean> {
    const uses = v.receipts.filter((r) => decodeReceipt(r.receipt)!.kind === receiptKind.use).length;
    if (uses === 0) return true;
    const states = await report(phone, v.value.valueId);
    const undone = states.filter((s) => s === 2).length;
    const fine = states.every((s) => s === 0 || s === 2);
    const spent = v.value.unit === unit.money ? `${(newestReceipt(v)!.after / 100).toFixed(2)} EUR of ${(v.value.most / 100).toFixed(2)} spent` : `${newestReceipt(v)!.after} of ${v.value.most} used`;
    this.say(`  ${title(name)}, ${v.name}: ${spent}; ${states.length} receipts, ${fine ? "all in the books" : "NOT all in the books"}${undone > 0 ? `, ${undone} undone` : ""}.`);
    return fine;
  }

  // ---- a tap in one line -------------------------------------------------------------------------------------------------------------------

  private pick(name: string, kind: string, title?: string): WalletValue {
    const found = this.phones[name]!.wallet.values.find((v) => v.value.kind === kind && (title === undefined || v.name === title));
    if (found === undefined) throw wrong(`${name} has no ${title ?? kind}`);
    return found;
  }

  private async quietTap(name: string, kind: string, g: GateOnStage, o: Parameters<typeof tapAt>[2] = {}, title?: string): Promise<Seen> {
    const phone = this.phones[name]!;
    phone.wallet.chosen = this.pick(name, kind, title).value.valueId;
    this.summary.taps++;
    const seen = await tapAt(g, phone, o);
    if (seen.shown?.code === 0) this.summary.opened++;
    return seen;
  }

  private async tap(name: string, kind: string, g: GateOnStage, what: string, expected: number, o: Parameters<typeof tapAt>[2] = {}, title?: string): Promise<Seen> {
    const seen = await this.quietTap(name, kind, g, o, title);
    const code = seen.shown?.code ?? seen.result.code;
    if (code > 0) this.summary.refused++;
    this.line(what, seen, code);
    if (code !== expected) throw wrong(`"${what}" should have ended in ${nameOf(expected)} and ended in ${nameOf(code)}`);
    return seen;
  }

  private line(what: string, seen: Seen, code: number): void {
    const s = seen.shown?.stages;
    const colour = seen.light === "green" ? "green" : seen.light === "red" ? "red" : seen.light === "blue" ? "blue" : "yellow";
    const row = refusals[code];
    const total = s === undefined ? undefined : s.openMs - s.greetedMs;
    if (total !== undefined && s!.presentedMs > s!.greetedMs && s!.acknowledgedMs > s!.answeredMs) this.tapMs.push(total);
    const timing = s === undefined || s.acknowledgedMs === 0 ? "" : ` · hello→shown ${ms(s.presentedMs - s.greetedMs)}, checked ${ms(s.answeredMs - s.presentedMs)}, agreed ${ms(s.acknowledgedMs - s.answeredMs)}, recorded ${ms(s.durableMs - s.acknowledgedMs)}, open ${ms(total!)}`;
    const outcome = code === 0 ? (seen.walked ? "walks through" : "stands still") : `${code} ${row?.name}: ${row?.english}`;
    if (this.c.json) this.c.out(JSON.stringify({ what, code, name: row?.name, light: seen.light, bytes: seen.bytes, walked: seen.walked, ...(s !== undefined && { openMs: Math.round(total! * 10) / 10 }) }));
    else this.c.out(`  ${this.c.paint(colour, seen.light.padEnd(6))} ${what} → ${outcome}${this.c.paint("dim", ` · ${seen.bytes} bytes${timing}`)}`);
  }
}

/** Everything from the first message of this type on is lost, both ways. */
function cutAt(type: number, way: "toA" | "toB"): (side: "toA" | "toB", bytes: Uint8Array) => boolean {
  const frames = deframer(cobs);
  let dead = false;
  return (side, bytes) => {
    if (!dead && side === way) dead = feed(frames, bytes).some((f) => f.payload.length > 0 && messageType(f.payload) === type);
    return dead;
  };
}

const ms = (n: number) => `${n.toFixed(1)} ms`;
const title = (name: string) => name[0]!.toUpperCase() + name.slice(1);
const nameOf = (code: number) => (code === 0 ? "accepted" : code < 0 ? "silence" : (refusals[code]?.name ?? String(code)));
const wrong = (what: string) => boardFault("broken", `The story went wrong: ${what}.`);
async function eventually(holds: () => boolean, otherwise: string, withinMs = 10_000): Promise<void> {
  if (!(await until(holds, withinMs))) throw wrong(otherwise);
  await pause(0);
}
