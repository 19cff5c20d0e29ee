/** The commands, in the order in which the overview lists them. */
import type { Command, CommandGroup } from "./command.js";
import { doctorCommand } from "./doctor-command.js";
import { boardEmulatorCommand } from "./espruino/emulator-command.js";
import { carryCommand } from "./espruino/carry-command.js";
import { flashCommand } from "./espruino/flash-command.js";
import { provisionCommand } from "./espruino/provision-command.js";
import { handsetCommands } from "./handset/index.js";
import { hostCommand } from "./host-command.js";
import { importCommand } from "./import-command.js";
import { inspectCommand } from "./inspect-command.js";
import { issuerCommand } from "./issuer-command.js";
import { monitorCommand } from "./monitor-command.js";
import { meterEmulatorCommand } from "./meter-emulator-command.js";
import { readoutCommand } from "./readout-command.js";
import { installCommand } from "./terminal/install-command.js";
import { terminalCommand } from "./terminal/terminal-command.js";
import { verifyCommand } from "./verify-command.js";
import { venueCommand } from "./venue/venue-command.js";

export const commands: readonly (Command | CommandGroup)[] = [venueCommand, hostCommand, issuerCommand, terminalCommand, handsetCommands, importCommand, inspectCommand, monitorCommand, doctorCommand, installCommand, readoutCommand, verifyCommand, meterEmulatorCommand, flashCommand, provisionCommand, carryCommand, boardEmulatorCommand];
