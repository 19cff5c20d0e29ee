/**
 * The directory's part of the schema: who takes part (members, handsets, merchants, issuers, terminals), what was issued to
 * whom, the status list, and what arrived at the device door. Tables beside the ledger's, created by the same list of steps
 * (`schema.ts`); versions start at 100, so that ledger and directory can grow without asking each other.
 * Ids and keys are hexadecimal, times UTC seconds, lists JSON, flags 0 or 1.
 */
import type { Generated } from "kysely";
import type { Migration } from "./schema.js";

export interface MerchantTable { merchant_id: string; name: string }
/** `url` and `agreement_key` of an issuer that runs apart. */
export interface IssuerTable { issuer_id: string; name: string; public_key: string; url: Generated<string | null>; agreement_key: Generated<string | null> }
export interface ProductTable {
  product_id: string; name: string; kind: string; unit: number; most: number; price: number; currency: string; zones: string; rule: string; valid_until: number;
  offline: string; flags: number; issuer_id: string; merchant_share: number; grant_uses: number;
}
export interface MemberTable { user_id: string; password: string; phone: string; recovery: string; wrong: Generated<number>; wrong_in_row: Generated<number>; blocked_until: Generated<number>; verified: number; recovery_wrong: Generated<number>; recovery_today: Generated<number>; recovery_day: Generated<number>; created_at: number }
export interface InvitationTable { user_id: string; code: string; wrong: Generated<number>; wrong_today: Generated<number>; day: Generated<number>; created_at: number }
export interface HandsetTable { kid: string; user_id: string; signing_key: string; agreement_key: string; key_class: number; revoked: Generated<number>; created_at: number }
export interface TerminalTable {
  terminal_id: string; name: string; role: number; zones: string; takes: string; tariffs: string; kinds: string; currency: string; most: number; merchant_id: string;
  group_number: number; settings: string; configuration: Uint8Array; configuration_number: number;
  lookup: string; claim_secret: string; claim_until: number; claim_wrong: Generated<number>; claim_request: string | null; claim_answer: Uint8Array | null;
  identity_kid: string | null; identity_key: string | null; certificate: Uint8Array | null; agreement_key: string | null; expires: Generated<number>;
  renewal_counter: Generated<number>; renewal_digest: string | null; confirmed: Generated<number>; head: Generated<string>; boot: Generated<number>;
  suspended: Generated<number>; seen_at: Generated<number>;
  /** The confirmed sequence behind which a gap was last told of. */
  gap: Generated<number>;
  /** The six digits that the terminal shows too, for people who compare (`trust.md` §3); null until it is enrolled. */
  digits: Generated<string | null>;
  /** A board without signatures: generation of its master, 0 for any other terminal; the one it was heard to use; what it says it is. */
  generation: Generated<number>; generation_heard: Generated<number>; board: Generated<string | null>;
}
/** Key ids of boards' letters: four bytes, so that two boards may have the same. */
export interface BoardKeyTable { kid: string; terminal_id: string; generation: number }
export interface GroupEpochTable { group_number: number; epoch: number; starts: number; ends: number }
/** Every grant ever carved out of a value; `uses` is what is left to it, once another took its place what it was seen to have used. */
export interface BoardGrantTable { grant_id: string; value_id: string; group_number: number; epoch: number; uses: number; bytes: Uint8Array; ended: Generated<number> }
/** A grant that was never issued, under the group's own keys: somebody has them. */
export interface ForgeryTable { grant_id: string; group_number: number; epoch: number; terminal_id: string; evidence: string; opened_at: number }
export interface CertificateTable { certificate_id: string; number: number; terminal_id: string; bytes: Uint8Array; issued_at: number; expires: number }
/** A signed end of a terminal; needed as long as a certificate of it could still be believed. */
export interface RevocationTable { terminal_id: string; bytes: Uint8Array; needed_until: number }
export interface IssuedTable {
  value_id: string; offer_id: string; product_id: string; user_id: string; reference: string; name: string; status_index: number; status: Generated<number>;
  issued_at: number; holder_key: string | null; value: Uint8Array | null; issuer_part: Uint8Array | null; grant_id: string | null; grant_bytes: Uint8Array | null;
  /** The handset it was delivered to. `held`: until an invitation is shown. */
  handset: string | null; held: number;
  /** Where it waits or lives: empty for its member's handset, `terminal {id}`, `custody`, `shop`. */
  place: Generated<string>;
  /** How often it was handed on (P18). */
  owner_sequence: Generated<number>;
  /** The device says that it is durable there. Until then it is offered again: the answer that brought it may have been lost. */
  received: Generated<number>;
  /** Its issuer runs apart and has not signed yet. */
  wants_part: Generated<number>;
}
export interface HostReceiptTable { digest: string; value_id: string; counter: number; receipt: Uint8Array; signature: Uint8Array }
export interface StatusDeltaTable { number: number; bytes: Uint8Array }
export interface LetterTable { sender: string; sequence: number; digest: string; answer: Uint8Array; keep_until: number }
/** `held`: the bytes of an entry that does not count until an operator says so. */
export interface EntryTable { terminal_id: string; sequence: number; digest: string; kind: string; held: Uint8Array | null }
export interface RefusedTable { terminal_id: string; code: number; times: number }
export interface IncidentTable { incident_id: Generated<number>; what: string; about: string; detail: string; at: number }
export interface AuditTable { number: Generated<number>; at: number; who: string; what: string; head: string }
export interface SettingTable { name: string; value: string }

export interface MoreTables {
  invitation: InvitationTable; merchant: MerchantTable; issuer: IssuerTable; product: ProductTable; member: MemberTable; handset: HandsetTable; terminal: TerminalTable; certificate: CertificateTable; revocation: RevocationTable;
  issued: IssuedTable; host_receipt: HostReceiptTable; status_delta: StatusDeltaTable; letter: LetterTable; entry_taken: EntryTable; refused: RefusedTable;
  incident: IncidentTable; audit: AuditTable; setting: SettingTable; board_key: BoardKeyTable; group_epoch: GroupEpochTable; board_grant: BoardGrantTable; forgery: ForgeryTable;
}

export const moreMigrations: Migration[] = [{ version: 100, sql: [
  `create table merchant (merchant_id text primary key, name text not null)`,
  `create table issuer (issuer_id text primary key, name text not null, public_key text not null)`,
  `create table product (product_id text primary key, name text not null, kind text not null, unit integer not null, most integer not null, price integer not null,
     currency text not null, zones text not null, rule text not null, valid_until integer not null, offline text not null, flags integer not null,
     issuer_id text not null references issuer, merchant_share integer not null, grant_uses integer not null)`,
  `create table member (user_id text primary key, password text not null, phone text not null, recovery text not null, wrong integer not null default 0,
     wrong_in_row integer not null default 0, blocked_until integer not null default 0, verified integer not null, recovery_wrong integer not null default 0,
     recovery_today integer not null default 0, recovery_day integer not null default 0, created_at integer not null)`,
  `create table invitation (user_id text primary key, code text not null, wrong integer not null default 0, wrong_today integer not null default 0,
     day integer not null default 0, created_at integer not null)`,
  `create table handset (kid text primary key, user_id text not null references member, signing_key text not null, agreement_key text not null, key_class integer not null,
     revoked integer not null default 0, created_at integer not null)`,
  `create table terminal (terminal_id text primary key, name text not null, role integer not null, zones text not null, takes text not null, tariffs text not null,
     kinds text not null, currency text not null, most integer not null, merchant_id text not null references merchant, group_number integer not null,
     settings text not null, configuration blob not null, configuration_number integer not null, lookup text not null, claim_secret text not null,
     claim_until integer not null, claim_wrong integer not null default 0, claim_request text, claim_answer blob, identity_kid text unique, identity_key text,
     certificate blob, agreement_key text, expires integer not null default 0, renewal_counter integer not null default 0, renewal_digest text,
     confirmed integer not null default 0, head text not null default '00000000000000000000000000000000', boot integer not null default 0,
     suspended integer not null default 0, seen_at integer not null default 0, gap integer not null default -1)`,
  `create index terminal_lookup on terminal (lookup)`,
  `create table certificate (number integer primary key, certificate_id text not null unique, terminal_id text not null references terminal,
     bytes blob not null, issued_at integer not null, expires integer not null)`,
  `create table revocation (terminal_id text primary key references terminal, bytes blob not null, needed_until integer not null)`,
  `create table issued (value_id text primary key, offer_id text not null unique, product_id text not null references product, user_id text not null,
     reference text not null unique, name text not null, status_index integer not null unique, status integer not null default 0, issued_at integer not null,
     holder_key text, value blob, issuer_part blob, grant_id text unique, grant_bytes blob,
     handset text references handset, held integer not null default 0)`,
  `create index issued_to on issued (user_id)`,
  `create index issued_on on issued (handset)`,
  `create index issued_of on issued (product_id)`,
  `create unique index issued_key on issued (holder_key)`,
  `create table host_receipt (digest text primary key, value_id text not null, counter integer not null, receipt blob not null, signature blob not null)`,
  `create table status_delta (number integer primary key, bytes blob not null)`,
  `create table letter (sender text not null, sequence integer not null, digest text not null, answer blob not null, keep_until integer not null, primary key (sender, sequence))`,
  `create index letter_age on letter (keep_until)`,
  `create table entry_taken (terminal_id text not null, sequence integer not null, digest text not null, kind text not null, held blob, primary key (terminal_id, sequence))`,
  `create index entry_held on entry_taken (terminal_id, sequence) where held is not null`,
  `create table refused (terminal_id text not null, code integer not null, times integer not null, primary key (terminal_id, code))`,
  `create table incident (incident_id integer primary key autoincrement, what text not null, about text not null, detail text not null, at integer not null)`,
  `create table audit (number integer primary key autoincrement, at integer not null, who text not null, what text not null, head text not null)`,
  ...["update", "delete"].map((verb) => `create trigger audit_no_${verb} before ${verb} on audit begin select raise(abort, 'audit is append-only'); end`),
  `create table setting (name text primary key, value text not null)`,
] }, { version: 101, sql: [
  `alter table terminal add column digits text`,
] }, { version: 102, sql: [
  `alter table terminal add column generation integer not null default 0`,
  `alter table terminal add column generation_heard integer not null default 0`,
  `alter table terminal add column board text`,
  `create table board_key (kid text not null, terminal_id text not null references terminal, generation integer not null, primary key (kid, terminal_id, generation))`,
  `create table group_epoch (group_number integer not null, epoch integer not null, starts integer not null, ends integer not null, primary key (group_number, epoch))`,
  `create table board_grant (grant_id text primary key, value_id text not null, group_number integer not null, epoch integer not null, uses integer not null, bytes blob not null,
     ended integer not null default 0)`,
  `create index grant_of_value on board_grant (value_id)`,
  `insert into board_grant select grant_id, value_id, 1, 1, (select grant_uses from product p where p.product_id = issued.product_id), grant_bytes, 0 from issued where grant_id is not null`,
  `create table forgery (grant_id text primary key, group_number integer not null, epoch integer not null, terminal_id text not null, evidence text not null, opened_at integer not null)`,
] }];
