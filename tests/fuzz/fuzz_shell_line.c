/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The shell as keys are typed: librte_cmdline, our tokens and completion, the appliance's own
 * table. The appliance is stopped, so that operations are checked but not run.
 */
#include <unistd.h>

#include <cmdline.h>

#include "config.h"
#include "fuzz.h"
#include "shell_i.h"
#include "tw_crypto.h"

static struct tw_app app;
static struct tw_shell *sh;

void
tw_app_stop(struct tw_app *a)
{
	(void)a;
	CHECK(!"an operation ran");
}

static void
start(void)
{
	CHECK(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, NULL, 0) == 0);
	app.config = tw_config_new();
	atomic_store(&app.state, TW_APP_STOPPED);
	sh = tw_shell_new(&app);
	CHECK(app.config != NULL && sh != NULL);
}

/* Files named by the input must not be read. */
static bool
names_a_file(const uint8_t *data, size_t size)
{
	return memmem(data, size, "load", 4) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cmdline *cl;
	char *text;

	if (sh == NULL)
		start();
	if (names_a_file(data, size))
		return 0;
	cl = cmdline_new(shell_tokens_init(sh), "> ", -1, -1);
	CHECK(cl != NULL);
	sh->is_quitting = false;
	for (size_t i = 0; i < size && !sh->is_quitting; i++) {
		char c = (char)data[i];

		if (cmdline_in(cl, &c, 1) < 0)
			break;
	}
	cmdline_free(cl);
	if (shell_exec(sh, (const char *)data, size, &text) != 0)
		CHECK(text != NULL);
	free(text);
	return 0;
}
