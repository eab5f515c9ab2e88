/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * Build ids of loaded libraries, as the linker left them in a note. IPPM_BUILD_IDS is what
 * scripts/ikeshim found in the installed ones: "libNAME.so.N=hex" for each, blanks between.
 */
#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ippm_abi.h"

struct wanted {
	char name[64];
	char id[2 * 64 + 1];
	bool fits;
};

/* The build id in a segment of notes, as hex; false if there is none. */
static bool
read_id(const uint8_t *p, size_t len, char *hex, size_t size)
{
	ElfW(Nhdr) note;

	while (len >= sizeof(note)) {
		size_t name_len, total;

		memcpy(&note, p, sizeof(note));
		name_len = (note.n_namesz + 3u) & ~3u;
		total = sizeof(note) + name_len + ((note.n_descsz + 3u) & ~3u);
		if (total > len)
			return false;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
			memcmp(p + sizeof(note), "GNU", 4) == 0 && 2 * note.n_descsz < size) {
			for (size_t i = 0; i < note.n_descsz; i++)
				snprintf(hex + 2 * i, 3, "%02x", p[sizeof(note) + name_len + i]);
			return true;
		}
		p += total;
		len -= total;
	}
	return false;
}

static int
check_library(struct dl_phdr_info *info, size_t size, void *data)
{
	const char *slash = info->dlpi_name ? strrchr(info->dlpi_name, '/') : NULL;
	struct wanted *wanted = data;
	char id[sizeof(wanted->id)];

	(void)size;
	if (!slash || strcmp(slash + 1, wanted->name) != 0)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_NOTE &&
			read_id((const uint8_t *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr,
				info->dlpi_phdr[i].p_memsz, id, sizeof(id)) &&
			strcmp(id, wanted->id) == 0)
			wanted->fits = true;
	return 1;
}

bool
ippm_abi_fits(void)
{
	const char *list = IPPM_BUILD_IDS;
	struct wanted wanted;
	int used;

	while (sscanf(list, " %63[^= ]=%128[0-9a-f]%n", wanted.name, wanted.id, &used) == 2) {
		wanted.fits = false;
		dl_iterate_phdr(check_library, &wanted);
		if (!wanted.fits)
			return false;
		list += used;
	}
	return true;
}
