/** `kaisatsu handset collect`: fetches what was bought. */
import { exitCode, noWords, textOf, type Command } from "../command.js";
import { folderHelp, folderOption, leftText, withPhone } from "./handset.js";
import { collect } from "../../node/phone.js";

export const collectCommand: Command = {
  name: "collect",
  summary: "fetch what was bought from the host",
  help: `Usage: kaisatsu handset collect --folder F [--invitation CODE] [--json]

Fetches the values that wait at the host for this member, each certified to a key made here. Tapping needs no network, so
collect before you go. "kaisatsu handset values --collect" does the same and lists everything.

${folderHelp}
  --invitation CODE  the code that came with a value, for whoever enrolled before it was sent
  --json         one JSON document

Examples:
  kaisatsu handset collect --folder aiko
  kaisatsu handset collect --folder aiko --invitation ABCD-EFGH-JKMN-PQRS-TVWX
`,
  options: { ...folderOption, invitation: { type: "string" } },
  run: async (c) => withPhone(c, async (phone) => {
    noWords(c);
    const before = new Set(phone.wallet.values);
    await collect(phone, textOf(c, "invitation"));
    const fresh = phone.wallet.values.filter((v) => !before.has(v));
    if (c.json) c.out(JSON.stringify({ collected: fresh.map((v) => ({ valueId: Buffer.from(v.value.valueId).toString("hex"), name: v.name, kind: v.value.kind })) }));
    else if (fresh.length === 0) c.out(`Nothing waits for ${phone.user} at the host. A value that came with an invitation code needs --invitation.`);
    else for (const v of fresh) c.out(`${c.paint("green", "New:")} ${v.name} (${v.value.kind}), ${leftText(v)}`);
    return exitCode.done;
  }),
};
