/* endpoint_fuzzer.c: no string makes the endpoint parser stumble.
 *
 * What it takes has a type and an ARG and keeps its text; what it refuses comes with a
 * sentence; and the getters answer any value with a number in range or a sentence. */
#include <partyline/transport_impl.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask_for_values(const struct pl_endpoint *ep)
{
	static const char *const keys[] = { "a", "interface", "baudrate", "parity" };
	struct pl_error err = { 0 };
	long number = 0;
	bool yes;
	int choice = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		err.text[0] = '\0';
		if (pl_endpoint_int(ep, keys[i], -5, 99999, 7, &number, &err) == 0)
			assert(number >= -5 && number <= 99999);
		else
			assert(err.text[0]);
		err.text[0] = '\0';
		if (pl_endpoint_bool(ep, keys[i], false, &yes, &err) < 0)
			assert(err.text[0]);
		err.text[0] = '\0';
		if (pl_endpoint_choice(ep, keys[i], "none|even|odd", 0, &choice, &err) == 0)
			assert(choice >= 0 && choice < 3);
		else
			assert(err.text[0]);
	}
	err.text[0] = '\0';
	if (pl_endpoint_arg_int(ep, "port", 0, 65535, &number, &err) == 0)
		assert(number >= 0 && number <= 65535);
	else
		assert(err.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pl_error err = { 0 };
	struct pl_endpoint *ep;
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	ep = pl_endpoint_parse(text, &err);
	if (ep) {
		assert(strcmp(pl_endpoint_text(ep), text) == 0);
		assert(pl_endpoint_type(ep)[0] && pl_endpoint_arg(ep));
		ask_for_values(ep);
	} else {
		assert(err.code < 0 && err.text[0]);
	}
	pl_endpoint_unref(ep);
	free(text);
	return 0;
}
