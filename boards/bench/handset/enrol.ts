/** `kaisatsu handset enrol`: a new handset, with keys of its own, for a member that is there or made now. */
import { readFileSync } from "node:fs";
import { exitCode, hostAddress, needed, noWords, textOf, UsageError, type Command, type Context } from "../command.js";
import { prepareFolder } from "../folder.js";
import { folderHelp, folderOption, withPhoneIn } from "./handset.js";
import { faultOf } from "../../node/fault.js";
import { consentTo, enrolPhone, isPhone, type EnrolmentProof } from "../../node/phone.js";
import { boardFault } from "../../../runtime/journal/store.js";

export const enrolCommand: Command = {
  name: "enrol",
  summary: "make a new handset in a folder, for a member of a host",
  help: `Usage: kaisatsu handset enrol --folder F --host URL --user ID [--password-file P] [--code CODE] [--beside F2]
                              [--root ID] [--yes] [--json]

Makes keys in the folder and enrols them at the host. A new member's account is made, and its recovery code is shown,
once. An account that exists takes another handset only beside one of its own, or for its recovery code, which ends the
others. The provider is trusted from then on: compare its root id with what the operator shows before you say yes.

${folderHelp}
  --host URL     the host, such as http://127.0.0.1:8440
  --user ID      the member's id, often an e-mail address
  --password-file P  a file with the password, or - for standard input; without it you are asked
  --code CODE    the invitation that came with a value, or the account's recovery code
  --beside F2    the folder of a handset of this account: it signs that it wants this one beside it
  --root ID      the provider's root id; with another one nothing is sent
  --yes          trust the provider without being asked
  --json         one JSON document

Exit code 0 when enrolled, 1 when the host said no or the provider is another, 3 when the host or folder could not be used.

Examples:
  kaisatsu handset enrol --folder aiko --host http://127.0.0.1:8440 --user aiko@example.org
  kaisatsu handset enrol --folder aiko --host http://127.0.0.1:8440 --user aiko@example.org --password-file - --yes < password
`,
  options: { ...folderOption, host: { type: "string" }, user: { type: "string" }, "password-file": { type: "string" }, code: { type: "string" }, beside: { type: "string" }, root: { type: "string" }, yes: { type: "boolean" } },
  async run(c) {
    noWords(c);
    const folder = needed(c, "folder", "the folder that is to be the handset");
    const host = hostAddress(needed(c, "host", "the host's address, such as http://127.0.0.1:8440"));
    const user = needed(c, "user", "the member's id");
    if (!/^[A-Za-z0-9@._+-]{1,80}$/.test(user)) throw new UsageError(`--user must be 1 to 80 letters, digits, and @ . _ + -, not "${user}".`);
    const root = rootId(c);
    if (c.options["password-file"] === undefined && !c.console.asksPeople) throw new UsageError("--password-file is missing: give a file with the password, or - for standard input.");
    prepareFolder(folder, "--folder");
    if (isPhone(folder)) { c.err(`kaisatsu handset enrol: ${folder} is a handset already: give another folder.`); return exitCode.refused; }
    const password = await passwordOf(c);
    let seen = "";
    const { phone, recovery } = await enrolPhone(folder, host, user, password, "", { ...proofOf(c, user), agrees: async (provider, id) => { seen = id; return await agrees(c, provider, id, root); } });
    phone.store.close();
    if (c.json) c.out(JSON.stringify({ user, host, provider: phone.trust.provider, rootId: seen, ...(recovery !== "" && { recovery }) }));
    else enrolled(c, folder, user, phone.trust.provider, seen, recovery);
    return exitCode.done;
  },
};

function proofOf(c: Context, user: string): EnrolmentProof {
  const code = textOf(c, "code");
  const beside = textOf(c, "beside");
  if (beside === undefined) return code === undefined ? {} : { code };
  return { ...(code !== undefined && { code }), consent: (kid) => withPhoneIn(beside, (phone) => consentTo(phone, user, kid)) };
}

function rootId(c: Context): string | undefined {
  const root = textOf(c, "root")?.toLowerCase();
  if (root !== undefined && !/^[0-9a-f]{16}$/.test(root)) throw new UsageError("--root must be the 16 hexadecimal digits that the operator shows.");
  return root;
}

async function agrees(c: Context, provider: string, id: string, root: string | undefined): Promise<boolean> {
  if (root !== undefined) return root === id;
  if (c.options["yes"] === true || !c.console.asksPeople) return true;
  const answer = await c.console.ask(`The provider is "${provider}", root ${id}. Is that what its operator shows? [y/N] `);
  return /^y(es)?$/i.test(answer.trim());
}

async function passwordOf(c: Context): Promise<string> {
  const file = textOf(c, "password-file");
  if (file === undefined) return await c.console.askSecret("Password: ");
  const text = file === "-" ? Buffer.from(c.console.readInput()).toString("utf8") : readSecret(file);
  return text.replace(/\r?\n$/, "");
}

/** A file with one secret line. Throws a `BoardError` without its content. */
export function readSecret(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = (error as { code?: string }).code;
    throw code === "ENOENT" ? boardFault("absent", `There is no file ${path}.`) : code === "EACCES" ? boardFault("denied", `${path} may not be read by this user.`) : faultOf(error, path);
  }
}

function enrolled(c: Context, folder: string, user: string, provider: string, root: string, recovery: string): void {
  c.out(`${c.paint("green", "Enrolled.")} ${folder} is now a handset of ${user} at provider "${provider}", root ${root}.`);
  if (recovery !== "") c.out(`The account's recovery code, shown only now: ${c.paint("bold", recovery)}`);
  c.out(`Next: kaisatsu handset collect --folder ${folder}`);
}
