# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
#
# What scripts/demo and scripts/test share: packages, hugepages, builds. Sourced by bash, from the
# top of the tree. State that must outlive an interrupted run stands in $state_dir.

state_dir=/run/twampline-scripts

say() {
	printf '\n== %s\n' "$*"
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

need_root() {
	[ "$(id -u)" -eq 0 ] || die "needs root for packages, hugepages and namespaces; run it with sudo"
}

# install_packages KIND...: what scripts/packages names for these kinds and dpkg does not have yet
install_packages() {
	local kinds=" $* " kind name log missing=()

	while read -r kind name; do
		case $kinds in
		*" $kind "*) ;;
		*) continue ;;
		esac
		dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed ||
			missing+=("$name")
	done < <(sed '/^#/d' scripts/packages)
	[ ${#missing[@]} -gt 0 ] || return 0
	say "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq || die "apt-get update failed: check /etc/apt/sources.list and the network"
	log=$(mktemp)
	apt_install "${missing[@]}" >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "apt-get install failed, the end of its output stands above"
	}
	rm -f "$log"
}

# units that are started at boot, one link a line
enabled_units() {
	find /etc/systemd/system -type l 2>/dev/null | sort
}

# apt_install NAME...: daemons that come along run where scripts start them, not on the machine,
# neither now nor after its next start
apt_install() (
	policy=/usr/sbin/policy-rc.d
	before=$(enabled_units)
	if [ ! -e $policy ]; then
		trap 'rm -f $policy' EXIT
		trap 'exit 130' INT TERM HUP
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod 755 $policy
	fi
	apt-get install -y -qq --no-install-recommends "$@" || exit
	command -v systemctl >/dev/null || exit 0
	comm -13 <(echo "$before") <(enabled_units) | sed 's,.*/,,' | sort -u |
		while read -r unit; do
			systemctl disable --quiet "$unit"
		done
)

# reserve_hugepages COUNT: at least COUNT free 2 MiB pages; release_hugepages gives them back
reserve_hugepages() {
	local pool=/sys/kernel/mm/hugepages/hugepages-2048kB total free

	[ -d $pool ] || die "this kernel has no 2 MiB hugepages ($pool is missing)"
	mkdir -p "$state_dir"
	total=$(cat $pool/nr_hugepages)
	[ -e "$state_dir/nr_hugepages" ] || echo "$total" >"$state_dir/nr_hugepages"
	free=$(cat $pool/free_hugepages)
	[ "$free" -ge "$1" ] || echo $((total + $1 - free)) >$pool/nr_hugepages
	free=$(cat $pool/free_hugepages)
	[ "$free" -ge "$1" ] ||
		die "only $free of $1 hugepages of 2 MiB could be reserved: free some memory and try again"
}

release_hugepages() {
	[ -e "$state_dir/nr_hugepages" ] || return 0
	cat "$state_dir/nr_hugepages" >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
	rm -f "$state_dir/nr_hugepages"
	rmdir "$state_dir" 2>/dev/null || true
}

# build_tree DIR COMPILER MESON-OPTION...: configure, then compile. A tree that somebody configured
# otherwise is made anew. One at a time: ninja goes on for a while when the script above it is killed,
# and holds the lock (descriptor 9) meanwhile.
build_tree() {
	local dir=$1 log=$1.log options="$*"

	shift
	mkdir -p "${dir%/*}"
	{
		flock 9
		if [ ! -e "$dir/build.ninja" ] || [ "$(cat "$dir/options" 2>/dev/null)" != "$options" ]; then
			rm -rf "$dir"
			CC=$1 meson setup "$dir" "${@:2}" >"$log" 2>&1 || {
				cat "$log" >&2
				die "meson setup $dir failed"
			}
			echo "$options" >"$dir/options"
		fi
		ninja -C "$dir" >"$log" 2>&1 || {
			tail -n 40 "$log" >&2
			die "building $dir failed; the whole output is in $log"
		}
	} 9>"$dir.lock"
	rm -f "$log"
}
