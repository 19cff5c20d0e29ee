/** `kaisatsu handset`: a handset in a folder, as a phone app would be one. */
import type { CommandGroup } from "../command.js";
import { collectCommand } from "./collect.js";
import { enrolCommand } from "./enrol.js";
import { billsCommand, cancelCommand, catalogueCommand, giftCommand, orderCommand, payCommand } from "./order.js";
import { carryCommand, owedCommand, settleCommand } from "./owed.js";
import { claimCommand, giveCommand, mailCommand, pickUpCommand, takeCommand } from "./parcels.js";
import { receiptsCommand } from "./receipts.js";
import { refreshCommand } from "./refresh.js";
import { tapCommand } from "./tap.js";
import { valuesCommand } from "./values.js";

export const handsetCommands: CommandGroup = {
  name: "handset",
  summary: "a handset in a folder: enrol, order, pay, collect, tap, give, and what else a phone does",
  about: `A handset is a folder with a wallet and keys. It enrols at a host, orders and pays, collects what was bought, and taps at a
terminal over a serial line; only tapping needs no network.`,
  examples: `  kaisatsu handset enrol --folder aiko --host http://127.0.0.1:8440 --user aiko@example.org
  kaisatsu handset values --folder aiko --collect
  kaisatsu handset order concert --folder aiko
  kaisatsu handset tap --folder aiko --port /dev/ttyUSB1
  kaisatsu handset receipts --folder aiko --report
`,
  commands: [enrolCommand, collectCommand, valuesCommand, tapCommand, receiptsCommand, refreshCommand, catalogueCommand, orderCommand, giftCommand, billsCommand, payCommand, cancelCommand, mailCommand, claimCommand, pickUpCommand, giveCommand, takeCommand, owedCommand, settleCommand, carryCommand],
};
