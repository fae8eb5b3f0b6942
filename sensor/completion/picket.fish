# SPDX-License-Identifier: Apache-2.0
#
# Completion of picket for fish. `picket completion fish` prints two functions in front of this, made from the program's
# own table of commands: __picket_options, the options of a command, and __picket_values, what may stand behind a command
# or an option, each line a word and what it means; both fail for what they do not know. They are asked by words of the
# command line: "picket config show", "picket run --mode". A value like @files is looked up when it is asked for.

# What stands for a value: lines.
function __picket_expand # VALUE CURRENT PROGRAM [--control PATH] [--instance NAME]
	switch $argv[1]
	case '@files*'
		__fish_complete_path $argv[2]
	case '@interfaces*'
		command ls /sys/class/net 2>/dev/null
	case '@commands*'
		__picket_values picket
	case '@*'
		$argv[3] completion live (string match -r '[a-z]+' -- $argv[1]) $argv[4..] 2>/dev/null
	case '*'
		printf '%s\n' $argv[1]
	end
end

function __picket_complete
	set -l words (commandline -opc)
	set -l current (commandline -ct)
	set -l at picket
	set -l option ''
	set -l before ''
	set -l asked
	for word in $words[2..]
		if test -n "$option"
			contains -- $option --control --instance; and set -a asked $option $word
			set option ''
		else if string match -q -- '--*=*' $word
			string match -qr -- '^--(control|instance)=' $word; and set -a asked $word
		else if string match -q -- '-*' $word
			__picket_values "$at $word" >/dev/null; or __picket_values "picket $word" >/dev/null; and set option $word
		else if __picket_values "$at $word" >/dev/null
			set at "$at $word"
		end
	end
	if test -z "$option"; and string match -q -- '--*=*' $current
		set option (string split -m 1 = -- $current)[1]
		set before "$option="
		set current (string split -m 1 = -- $current)[2]
	end

	if test -z "$option"; and string match -q -- '-*' $current
		__picket_options $at
		test $at = picket; or __picket_options picket
		return
	end
	set -l key (string trim -r -- "$at $option")
	__picket_values $key >/dev/null; or set key "picket $option"
	# Several by comma: the last of them is completed.
	if test -n "$option"; and string match -q -- '*,*' $current
		set before $before(string match -r -- '.*,' $current)
	end
	for value in (__picket_values $key)
		for line in (__picket_expand $value "$current" $words[1] $asked)
			printf '%s%s\n' "$before" $line
		end
	end
end

complete -c picket -f -a '(__picket_complete)'
