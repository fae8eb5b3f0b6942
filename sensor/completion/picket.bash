# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Completion of picket for bash. `picket completion bash` prints two tables in front of this, made from the program's own
# table of commands: _picket_options, the options of each command, and _picket_values, what may stand behind a command or
# an option. Their keys are words of the command line: "picket config show", "picket run --mode". A value like @files is
# looked up when it is asked for.
# shellcheck disable=SC2154 # the tables

# What stands for a value that begins with @: words, one a line.
_picket_expand() { # VALUE CURRENT PROGRAM [--control PATH] [--instance NAME]
	case $1 in
	@files) compgen -f -- "$2" ;;
	@interfaces) (cd /sys/class/net 2>/dev/null && printf '%s\n' *) ;;
	@commands) tr ' ' '\n' <<<"${_picket_values[picket]}" ;;
	*) "$3" completion live "${1#@}" "${@:4}" 2>/dev/null ;;
	esac
}

# Words are told from each other by readline's rules, so --scope=host comes as three, and an IPv6 address as many.
_picket() {
	local IFS=$' \t\n'
	local at=picket option='' before='' current word values i
	local asked=()

	current=${COMP_LINE:0:COMP_POINT}
	current=${current##*[[:blank:]]}
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $word == = ]]; then
			continue
		elif [[ -n $option ]]; then
			[[ $option != --control && $option != --instance ]] || asked+=("$option" "$word")
			option=''
		elif [[ $word == -* ]]; then
			[[ -z ${_picket_values[$at $word]+x}${_picket_values[picket $word]+x} ]] || option=$word
		elif [[ -n ${_picket_values[$at $word]+x} ]]; then
			at+=" $word"
		fi
	done
	[[ $current != --*=* ]] || current=${current#*=}

	if [[ -z $option && $current == -* ]]; then
		values="${_picket_options[$at]:-} ${_picket_options[picket]}"
	elif [[ -n $option && -z ${_picket_values[$at $option]+x} ]]; then
		values=${_picket_values[picket $option]:-}
	else
		values=${_picket_values[$at${option:+ $option}]:-}
	fi
	# Several by comma: the last of them is completed.
	if [[ -n $option && $current == *,* && $values != *@* ]]; then
		before=${current%,*},
		current=${current##*,}
	fi

	COMPREPLY=()
	[[ $values != *@files* ]] || compopt -o filenames 2>/dev/null
	for i in $values; do
		if [[ $i != @* ]]; then
			[[ $i != "$current"* ]] || COMPREPLY+=("$before$i")
			continue
		fi
		while read -r word; do
			[[ $word != "$current"* ]] || COMPREPLY+=("$word")
		done < <(_picket_expand "$i" "$current" "${COMP_WORDS[0]}" "${asked[@]}")
	done
	# readline replaces what stands behind the last colon only.
	if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*:}"}"}")
	fi
}

complete -F _picket picket
