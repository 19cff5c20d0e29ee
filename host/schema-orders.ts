/**
 * The tables of orders: what can be ordered, who ordered what for whom, how it was paid, and what waits where (P1–P19).
 * Every step of an order is a row of `order_step`, in the same commit as what it did, so an order goes on after a restart
 * from wherever it stood. Versions start at 200. Ids are hexadecimal, amounts minor units, times UTC seconds, flags 0 or 1.
 */
import type { Generated, Selectable } from "kysely";
import type { Migration } from "./schema.js";

/** What can be ordered. `sort`: `articleSort` of the wire. A value names its product, a bundle its parts (JSON), goods and broadcasts a merchant. */
export interface ArticleTable {
  article_id: string; name: string; sort: number; product_id: string | null; merchant_id: string | null; price: number; currency: string; date: number;
  /** Pieces there are, null when nobody counts; and how many of them are taken by orders that have not ended otherwise. */
  stock: number | null; taken: Generated<number>;
  parts: string | null; content: string | null; until: number;
}
export interface OrderTable {
  order_id: string; digest: string; state: number; user_id: string;
  /** Where it was taken: a terminal, or a handset's own letter. */
  terminal_id: string | null; how: number; demand: number; currency: string; total: number; bill: Uint8Array; placed_at: number; expires: number;
  /** The handset that said yes: thanks go to it. */
  payer: Generated<string | null>;
}
export interface OrderStepTable { number: Generated<number>; order_id: string; state: number; what: string; at: number }
export interface ParcelTable {
  order_id: string; parcel: number; state: number;
  /** For whom: a member (also one who is not registered yet), a terminal, or a wrapped phone number with its digest. */
  user_id: string | null; terminal_id: string | null; phone: string | null; phone_digest: string | null; is_gift: number;
  /** `handset`, `terminal`, `custody`, `shops`; where to: a terminal's id, or shops' ids in JSON. */
  delivery: string; target: string | null; due_at: number;
  request: Generated<string | null>; request_digest: Generated<string | null>; wrong: Generated<number>;
}
/** One piece each; a bundle stands as its parts, each with its share of the price. */
export interface OrderLineTable {
  line_id: string; order_id: string; parcel: number; article_id: string; name: string; sort: number; product_id: string | null; merchant_id: string | null; amount: number; currency: string;
  content: string | null; state: number; value_id: Generated<string | null>;
  /** The articles of whose stock this piece took one each (JSON): its own, and with the first part of a bundle the bundle. */
  takes: string;
}
export interface AttachmentTable { order_id: string; at: number; recipient: number; sealed: Uint8Array }
export interface PairingTable { user_id: string; terminal_id: string }
export interface OrderSettingTable { user_id: string; typed: number }
export interface SpareKeyTable { offer_id: string; handset: string; public_key: string; key_class: number; used: Generated<number> }
/** `state`: *asked* while nobody knows the outcome, *held* while a prepaid receipt waits for its acknowledgement. */
export interface PaymentTable {
  payment_id: string; order_id: string; means: "free" | "prepaid" | "processor"; processor: string | null; method: string | null; value_id: string | null; use_id: string | null;
  receipt: Uint8Array | null; signature: Uint8Array | null; amount: number; currency: string; state: "asked" | "held" | "posted" | "void"; reference: string | null; asked_at: number; handset: string;
}
export interface RefundTable { refund_id: string; order_id: string; payment_id: string; amount: number; currency: string; state: "asked" | "posted" | "void"; reference: string | null; asked_at: number }
/** Money given back to a prepaid value; `counter`: the host's receipt that told its handset. With `use_id` it counts only if the handset had stored that receipt. */
export interface ValueBackTable { refund_id: string; value_id: string; use_id: string | null; amount: number; counter: number | null }
export interface GiftTable {
  gift_id: string; order_id: string; parcel: number; token_digest: string; until: number; amount: number; state: "waits" | "claimed" | "returned";
  code_digest: Generated<string | null>; code_until: Generated<number>; code_wrong: Generated<number>;
}
/** Text for a person who has no handset here yet: a gateway fetches it and marks it sent. The address is wrapped. */
export interface TextOutTable { number: Generated<number>; address: string; text: string; at: number; sent: Generated<number> }
export interface MailTable { number: Generated<number>; user_id: string; kind: number; order_id: string; body: Uint8Array; at: number }
/** Proofs of identity that were taken once: never again. */
export interface ShownIdTable { proof: string; until: number }
export interface AttemptTable { name: string; count: number; since: number; blocked_until: Generated<number> }
export interface PushedTable { number: Generated<number>; terminal_id: string; order_id: string; parcel: number; user_digest: string; number_check: string; sealed: Uint8Array; until: number }
export interface ShopOfferTable { terminal_id: string; at: number; sealed: Uint8Array }
/** Who held a value before, with which key, and up to which counter his receipts are good (P18). */
export interface OwnerStepTable { value_id: string; owner_sequence: number; user_id: string; holder_key: string; counter: number; deed: Uint8Array; at: number; /** Until when the recipient must wait, 0 when he need not. */ due_at: number }

export type OrderRow = Selectable<OrderTable>;
export type ParcelRow = Selectable<ParcelTable>;
export type LineRow = Selectable<OrderLineTable>;
export type ArticleRow = Selectable<ArticleTable>;
export type PaymentRow = Selectable<PaymentTable>;

export interface OrderTables {
  article: ArticleTable; orders: OrderTable; order_step: OrderStepTable; parcel: ParcelTable; order_line: OrderLineTable; attachment: AttachmentTable; pairing: PairingTable; order_setting: OrderSettingTable;
  spare_key: SpareKeyTable; payment: PaymentTable; refund: RefundTable; value_back: ValueBackTable; gift: GiftTable; text_out: TextOutTable; mail: MailTable; shown_id: ShownIdTable; attempt: AttemptTable;
  pushed: PushedTable; shop_offer: ShopOfferTable; owner_step: OwnerStepTable;
}

export const orderMigrations: Migration[] = [{ version: 200, sql: [
  `create table article (article_id text primary key, name text not null, sort integer not null, product_id text references product, merchant_id text references merchant, price integer not null,
     currency text not null, date integer not null, stock integer, taken integer not null default 0, parts text, content text, until integer not null,
     check (taken >= 0 and (stock is null or taken <= stock)))`,
  `create table orders (order_id text primary key, digest text not null, state integer not null, user_id text not null references member, terminal_id text references terminal, how integer not null,
     demand integer not null, currency text not null, total integer not null, bill blob not null, placed_at integer not null, expires integer not null, payer text references handset)`,
  `create index order_of_user on orders (user_id, state)`,
  `create index order_due on orders (expires) where state in (3, 4)`,
  `create table order_step (number integer primary key autoincrement, order_id text not null references orders, state integer not null, what text not null, at integer not null)`,
  `create index step_of_order on order_step (order_id)`,
  `create table parcel (order_id text not null references orders, parcel integer not null, state integer not null, user_id text, terminal_id text references terminal, phone text, phone_digest text,
     is_gift integer not null, delivery text not null, target text, due_at integer not null, request text, request_digest text, wrong integer not null default 0, primary key (order_id, parcel))`,
  `create index parcel_held on parcel (due_at) where state = 6`,
  `create index parcel_of_user on parcel (user_id, state)`,
  `create table order_line (line_id text primary key, order_id text not null references orders, parcel integer not null, article_id text not null references article, name text not null, sort integer not null,
     product_id text, merchant_id text, amount integer not null, currency text not null, content text, state integer not null, value_id text unique, takes text not null)`,
  `create index line_of_order on order_line (order_id, parcel)`,
  `create table attachment (order_id text not null references orders, at integer not null, recipient integer not null, sealed blob not null, primary key (order_id, at))`,
  `create table pairing (user_id text not null, terminal_id text not null references terminal, primary key (user_id, terminal_id))`,
  `create table order_setting (user_id text primary key, typed integer not null)`,
  `create table spare_key (offer_id text primary key, handset text not null references handset, public_key text not null unique, key_class integer not null, used integer not null default 0)`,
  `create index spare_of_handset on spare_key (handset) where used = 0`,
  `create table payment (payment_id text primary key, order_id text not null references orders, means text not null, processor text, method text, value_id text, use_id text, receipt blob, signature blob,
     amount integer not null, currency text not null, state text not null check (state in ('asked','held','posted','void')), reference text, asked_at integer not null, handset text not null references handset)`,
  `create index payment_of_order on payment (order_id)`,
  `create unique index payment_held on payment (value_id) where state = 'held'`,
  `create index payment_asked on payment (asked_at) where state = 'asked'`,
  `create table refund (refund_id text primary key, order_id text not null references orders, payment_id text not null references payment, amount integer not null, currency text not null,
     state text not null check (state in ('asked','posted','void')), reference text, asked_at integer not null)`,
  `create index refund_of_order on refund (order_id)`,
  `create index refund_asked on refund (asked_at) where state = 'asked'`,
  `create table value_back (refund_id text primary key, value_id text not null, use_id text, amount integer not null, counter integer)`,
  `create index back_of_value on value_back (value_id)`,
  `create table gift (gift_id text primary key, order_id text not null references orders, parcel integer not null, token_digest text not null unique, until integer not null, amount integer not null,
     state text not null check (state in ('waits','claimed','returned')), code_digest text, code_until integer not null default 0, code_wrong integer not null default 0)`,
  `create index gift_waits on gift (until) where state = 'waits'`,
  `create table text_out (number integer primary key autoincrement, address text not null, text text not null, at integer not null, sent integer not null default 0)`,
  `create table mail (number integer primary key autoincrement, user_id text not null, kind integer not null, order_id text not null, body blob not null, at integer not null)`,
  `create index mail_of_user on mail (user_id, number)`,
  `create table shown_id (proof text primary key, until integer not null)`,
  `create index shown_until on shown_id (until)`,
  `create table attempt (name text primary key, count integer not null, since integer not null, blocked_until integer not null default 0)`,
  `create table pushed (number integer primary key autoincrement, terminal_id text not null references terminal, order_id text not null references orders, parcel integer not null, user_digest text not null,
     number_check text not null, sealed blob not null, until integer not null)`,
  `create index pushed_to on pushed (terminal_id, number)`,
  `create table shop_offer (terminal_id text not null references terminal, at integer not null, sealed blob not null, primary key (terminal_id, at))`,
  `create table owner_step (value_id text not null, owner_sequence integer not null, user_id text not null, holder_key text not null, counter integer not null, deed blob not null, at integer not null,
     due_at integer not null, primary key (value_id, owner_sequence))`,
  `create index owner_step_due on owner_step (due_at) where due_at > 0`,
  `alter table issued add column place text not null default ''`,
  `create index issued_at_place on issued (place) where place <> ''`,
  `alter table issued add column owner_sequence integer not null default 0`,
] }, { version: 201, sql: [
  `alter table issuer add column url text`,
  `alter table issuer add column agreement_key text`,
  `alter table issued add column wants_part integer not null default 0`,
  `create index issued_unsigned on issued (issued_at) where wants_part = 1`,
] }, { version: 202, sql: [
  `alter table issued add column received integer not null default 0`,
  `update issued set received = 1 where holder_key is not null`,
] }];
