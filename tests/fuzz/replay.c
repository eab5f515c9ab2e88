/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A main() for fuzz targets in builds without libFuzzer: takes every file of the folders named as
 * arguments once, in order of name, and prints TAP. A folder that does not exist is empty.
 */
#include <dirent.h>

#include "fuzz.h"

enum { INPUT_MAX = 1 << 20 };

static void
take(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *buf = malloc(INPUT_MAX);
	uint8_t *exact;
	size_t len;

	CHECK(f != NULL && buf != NULL);
	len = fread(buf, 1, INPUT_MAX, f);
	fclose(f);
	exact = fuzz_copy(buf, len);
	free(buf);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
}

static int
is_visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

int
main(int argc, char **argv)
{
	struct dirent **names;
	char path[4096];
	int done = 0;

	for (int i = 1; i < argc; i++) {
		int cnt = scandir(argv[i], &names, is_visible, alphasort);

		for (int k = 0; k < cnt; k++) {
			snprintf(path, sizeof(path), "%s/%s", argv[i], names[k]->d_name);
			take(path);
			printf("ok %d - %s\n", ++done, names[k]->d_name);
			fflush(stdout);
			free(names[k]);
		}
		if (cnt >= 0)
			free(names);
	}
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	printf("ok %d - empty input\n1..%d\n", done + 1, done + 1);
	return 0;
}
