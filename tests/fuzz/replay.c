/* replay.c: main() for a fuzzer where there is no libFuzzer.
 *
 * Runs the fuzzer once over every file that is named, or that lies in a directory that is
 * named: so the corpora are tests of every build, with any compiler.  It finds nothing
 * new; that is libFuzzer's part. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t replayed;

static void fail(const char *path)
{
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	exit(1);
}

/* The input lies in memory of its exact size, so that a sanitizer sees the first byte
 * that is read past the end. */
static void replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data;
	long size = 0;

	if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0)
		fail(path);
	rewind(file);
	data = malloc(size ? (size_t)size : 1);
	if (!data || fread(data, 1, (size_t)size, file) != (size_t)size)
		fail(path);
	fclose(file);
	printf("%s\n", path); /* before the run: a crash is then known by its input */
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
	replayed++;
}

static void replay_directory(const char *path, DIR *directory)
{
	struct dirent *entry;
	char file[4096];

	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(file, sizeof(file), "%s/%s", path, entry->d_name) >=
		    (int)sizeof(file)) {
			errno = ENAMETOOLONG;
			fail(path);
		}
		replay_file(file);
	}
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		DIR *directory = opendir(argv[i]);

		if (directory) {
			replay_directory(argv[i], directory);
			closedir(directory);
		} else if (errno == ENOTDIR) {
			replay_file(argv[i]);
		} else {
			fail(argv[i]);
		}
	}
	printf("%zu inputs replayed\n", replayed);
	return replayed ? 0 : 1; /* an empty corpus proves nothing */
}
