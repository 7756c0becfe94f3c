import { type CommandDescription, type CommandModule, UsageError } from "../command.ts";

const SHELLS: { readonly [shell: string]: (commands: readonly CommandDescription[]) => string } = {
  bash: toBash,
  zsh: toZsh,
  fish: toFish,
};

/** Prints completions for a shell. */
export const command: CommandModule = {
  takesCache: false,
  operands: [{ name: "shell", about: "bash, zsh or fish", required: true }],
  examples: [
    ["completions bash > ~/.local/share/bash-completion/completions/quiver", "for bash"],
    ["completions zsh > ~/.zfunc/_quiver", "for zsh, with ~/.zfunc in fpath"],
    ["completions fish > ~/.config/fish/completions/quiver.fish", "for fish"],
  ],
  async run({ terminal, operands: [shell = ""], describeCommands }) {
    const toScript = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined;
    if (toScript === undefined) {
      throw new UsageError(
        `Cannot complete for ${JSON.stringify(shell)}: the shells are ${
          Object.keys(SHELLS).join(", ")
        }`,
      );
    }
    terminal.write(toScript(await describeCommands()));
  },
};

function toBash(commands: readonly CommandDescription[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  const cases = commands.map(({ name, options }) =>
    `    ${name}) words="${options.map(({ long }) => long).join(" ")}" ;;`
  );
  return `# bash completion of quiver
_quiver() {
  local current=\${COMP_WORDS[COMP_CWORD]} words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${names} help" -- "$current"))
    return
  fi
  case \${COMP_WORDS[1]} in
    help) words="${names}" ;;
${cases.join("\n")}
  esac
  if [[ $current == -* || \${COMP_WORDS[1]} == help ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _quiver quiver
`;
}

function toZsh(commands: readonly CommandDescription[]): string {
  const quote = (text: string) => text.replaceAll("'", "'\\''").replaceAll(":", "\\:");
  const described = commands.map(({ name, summary }) => `    '${name}:${quote(summary)}'`);
  const toOption = ({ long, about }: CommandDescription["options"][number]) =>
    `'${long}[${quote(about).replaceAll(/[[\]]/g, "\\$&")}]'`;
  const cases = commands.map(({ name, options }) =>
    `    ${name}) _arguments ${options.map(toOption).join(" ")} '*:file:_files' ;;`
  );
  return `#compdef quiver
_quiver() {
  local -a commands
  commands=(
${described.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local called=$words[2]
  shift words
  (( CURRENT-- ))
  case $called in
${cases.join("\n")}
    help) _describe command commands ;;
  esac
}
if [ "$funcstack[1]" = "_quiver" ]; then _quiver "$@"; else compdef _quiver quiver; fi
`;
}

function toFish(commands: readonly CommandDescription[]): string {
  const quote = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines = commands.flatMap(({ name, summary, options }) => [
    `complete -c quiver -n __fish_use_subcommand -f -a ${name} -d ${quote(summary)}`,
    ...options.map(({ long, about }) =>
      `complete -c quiver -n "__fish_seen_subcommand_from ${name}" -l ${long.slice(2)} -d ${
        quote(about)
      }`
    ),
  ]);
  return `# fish completion of quiver\n${lines.join("\n")}\n`;
}
