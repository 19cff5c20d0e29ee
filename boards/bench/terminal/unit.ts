/**
 * What systemd is told of a terminal: a user of its own that can reach its ports and its data and nothing else, on a system
 * that may be mounted read-only; started again when it ends, and by the watchdog when its event loop hangs. The
 * configuration, which may hold a claim code, is root's alone and handed over as a credential.
 */
import type { TerminalConfiguration } from "./configuration.js";

/** A file name of the terminal's name: letters and digits, joined by dashes. Undefined when none is left. */
export function instanceOf(name: string): string | undefined {
  const plain = name.normalize("NFKD").replace(/[^a-zA-Z0-9]+/g, "-").replace(/^-+|-+$/g, "").toLowerCase().slice(0, 40);
  return plain === "" ? undefined : plain;
}

const watchdogSeconds = 60;

/** The unit's text. `program` is the command line of this program: node, then main.js. */
export function unitText(x: TerminalConfiguration, instance: string, configuration: string, program: readonly string[]): string {
  const ports = [x.link.port, x.scanner?.port, x.firmata?.port].filter((port) => port !== undefined);
  const atHome = program.some((path) => /^\/(home|root)\//.test(path));
  return `# Written by "kaisatsu install" for the terminal "${oneLine(x.name)}".
[Unit]
Description=Kaisatsu terminal ${oneLine(x.name)}
Documentation=man:systemd.service(5)
Wants=network-online.target time-sync.target
After=network-online.target time-sync.target
StartLimitIntervalSec=0

[Service]
Type=notify
# The terminal says by systemd-notify that its event loop turns.
NotifyAccess=all
WatchdogSec=${watchdogSeconds}
TimeoutStartSec=90
LoadCredential=configuration:${configuration}
ExecStart=${[...program, "terminal"].map(quoted).join(" ")} %d/configuration
Restart=always
RestartSec=5
# Not enrolled, or a wrong configuration: starting again would not mend it.
RestartPreventExitStatus=1 2
TimeoutStopSec=20
KillSignal=SIGINT
# One that eats the machine ends and is started again.
MemoryMax=256M
TasksMax=64

User=kaisatsu-${instance}
DynamicUser=yes
SupplementaryGroups=dialout
StateDirectory=kaisatsu/${instance}
StateDirectoryMode=0700
UMask=0077

ProtectSystem=strict
ProtectHome=${atHome ? "read-only" : "yes"}
PrivateTmp=yes
PrivateMounts=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
Environment=NODE_ENV=production

DevicePolicy=closed
${ports.map((port) => `DeviceAllow=${quoted(port)} rw`).join("\n")}

[Install]
WantedBy=multi-user.target
`;
}

/** A path for systemd: its own signs are doubled, and blanks need quotes. */
function quoted(word: string): string {
  const safe = word.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/%/g, "%%").replace(/\$/g, "$$$$");
  return /[\s"'\\;]/.test(word) ? `"${safe}"` : safe;
}
const oneLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f]+/g, " ").replace(/%/g, "%%").trim();
