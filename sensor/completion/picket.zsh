# SPDX-License-Identifier: Apache-2.0
#
# Completion of picket for zsh. `picket completion zsh` prints two tables in front of this, made from the program's own
# table of commands: _picket_options, the options of each command, and _picket_values, what may stand behind a command or
# an option, each line a word and what it means. Their keys are words of the command line: "picket config show", "picket
# run --mode". A value like @files is looked up when it is asked for.

_picket() {
	local at=picket option= word key
	local -a asked values plain
	for word in "${(@)words[2,CURRENT-1]}"; do
		if [[ -n $option ]]; then
			[[ $option != --(control|instance) ]] || asked+=("$option" "$word")
			option=
		elif [[ $word == --*=* ]]; then
			[[ $word != --(control|instance)=* ]] || asked+=("$word")
		elif [[ $word == -* ]]; then
			(( ! ${+_picket_values[$at $word]} && ! ${+_picket_values[picket $word]} )) || option=$word
		elif (( ${+_picket_values[$at $word]} )); then
			at+=" $word"
		fi
	done
	if [[ -z $option && $PREFIX == --*=* ]]; then
		option=${PREFIX%%=*}
		compset -P '*='
	fi

	if [[ -z $option && $PREFIX == -* ]]; then
		values=("${(@f)_picket_options[$at]}")
		[[ $at == picket ]] || values+=("${(@f)_picket_options[picket]}")
		values=("${(@)values:#}")
		_describe -o option values
		return
	fi
	key="$at${option:+ $option}"
	(( ${+_picket_values[$key]} )) || key="picket $option"
	# Several by comma: the last of them is completed.
	[[ -z $option ]] || compset -P '*,'
	for word in "${(@f)_picket_values[$key]}"; do
		case $word in
		@files:*) _files ;;
		@interfaces:*) compadd -- /sys/class/net/*(N:t) ;;
		@commands:*) plain+=("${(@f)_picket_values[picket]}") ;;
		@*) compadd -- ${(f)"$("$words[1]" completion live "${${word#@}%%:*}" "${asked[@]}" 2>/dev/null)"} ;;
		?*) plain+=("$word") ;;
		esac
	done
	plain=("${(@)plain:#}")
	(( ! $#plain )) || _describe value plain
}

# As a file of fpath this is the body of the function at its first call; else it was read by source.
if [[ $funcstack[1] == _picket ]]; then
	_picket "$@"
else
	compdef _picket picket
fi
