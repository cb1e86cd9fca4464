/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs machine code for arm64 on packets; tests/unit/filter/bpf_arm64_test.cc compiles it with a
 * cross compiler, writes its input and reads its answers.
 *
 *   bpf_arm64_runner INPUT OUTPUT
 *
 * INPUT, little endian, 32-bit numbers: sizeof(Burst), offsets of its packets, chained and rest;
 * number of packets, and for each: wire bytes, number of pieces, for each piece its size and bytes;
 * number of programs, and for each: size and code. OUTPUT: for each program, for each 64 packets,
 * the 64-bit set of those that match.
 *
 * Each piece ends at the end of a page behind which nothing may be read.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* As in base/packet.h. */
struct segment {
  const uint8_t* data;
  uint32_t bytes;
  const struct segment* next;
};
struct view {
  const uint8_t* data;
  uint32_t head_bytes;
  uint32_t wire_bytes;
};

static uint32_t burst_size, packets_offset, chained_offset, rest_offset;

static void need(int condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "bpf_arm64_runner: %s\n", what);
  exit(1);
}

static uint32_t number(FILE* in) {
  uint32_t value;
  need(fread(&value, 4, 1, in) == 1, "the input ends early");
  return value;
}

static struct view* view_of(uint8_t* burst, uint32_t i) {
  return (struct view*)(burst + packets_offset) + i;
}
static const struct segment** rest_of(uint8_t* burst, uint32_t i) {
  return (const struct segment**)(burst + rest_offset) + i;
}
static uint64_t* chained_of(uint8_t* burst) { return (uint64_t*)(burst + chained_offset); }

/* What BpfProgram::LoadFromPieces does. */
static uint64_t load(uint8_t* burst, uint32_t index, uint64_t offset, uint32_t bytes) {
  const uint8_t* data = view_of(burst, index)->data;
  uint32_t size = view_of(burst, index)->head_bytes;
  const struct segment* next = (*chained_of(burst) >> index) & 1 ? *rest_of(burst, index) : NULL;
  uint64_t value = 0;
  for (;;) {
    while (offset < size) {
      value = value << 8 | data[offset++];
      if (--bytes == 0) return value;
    }
    if (next == NULL) return ~(uint64_t)0;
    offset -= size;
    data = next->data;
    size = next->bytes;
    next = next->next;
  }
}

static const uint8_t* piece(FILE* in, uint32_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const size_t room = (bytes + page - 1) / page * page;
  uint8_t* memory =
      mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  need(memory != MAP_FAILED, "no memory");
  need(mprotect(memory + room, page, PROT_NONE) == 0, "mprotect");
  uint8_t* data = memory + room - bytes;
  need(fread(data, 1, bytes, in) == bytes, "the input ends early");
  return data;
}

int main(int argc, char** argv) {
  need(argc == 3, "needs INPUT and OUTPUT");
  FILE* in = fopen(argv[1], "rb");
  FILE* out = fopen(argv[2], "wb");
  need(in != NULL && out != NULL, "cannot open the files");
  burst_size = number(in);
  packets_offset = number(in);
  chained_offset = number(in);
  rest_offset = number(in);

  const uint32_t packets = number(in);
  const uint32_t bursts = (packets + 63) / 64;
  uint8_t** burst = calloc(bursts, sizeof(*burst));
  for (uint32_t i = 0; i < packets; ++i) {
    const uint32_t at = i % 64;
    if (at == 0) burst[i / 64] = calloc(1, burst_size);
    uint8_t* mine = burst[i / 64];
    view_of(mine, at)->wire_bytes = number(in);
    const uint32_t pieces = number(in);
    const struct segment** link = rest_of(mine, at);
    for (uint32_t p = 0; p < pieces; ++p) {
      const uint32_t bytes = number(in);
      const uint8_t* data = piece(in, bytes);
      if (p == 0) {
        view_of(mine, at)->data = data;
        view_of(mine, at)->head_bytes = bytes;
        continue;
      }
      struct segment* more = calloc(1, sizeof(*more));
      more->data = data;
      more->bytes = bytes;
      *link = more;
      link = &more->next;
      *chained_of(mine) |= (uint64_t)1 << at;
    }
  }

  const uint32_t programs = number(in);
  for (uint32_t i = 0; i < programs; ++i) {
    const uint32_t bytes = number(in);
    uint8_t* code = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(code != MAP_FAILED && fread(code, 1, bytes, in) == bytes, "the input ends early");
    need(mprotect(code, bytes, PROT_READ | PROT_EXEC) == 0, "mprotect");
    __builtin___clear_cache((char*)code, (char*)code + bytes);
    uint64_t (*match)(uint8_t*, uint64_t, uint64_t (*)(uint8_t*, uint32_t, uint64_t, uint32_t));
    memcpy(&match, &code, sizeof(match));
    for (uint32_t b = 0; b < bursts; ++b) {
      const uint32_t count = b + 1 < bursts ? 64 : packets - b * 64;
      const uint64_t all = count == 64 ? ~(uint64_t)0 : ((uint64_t)1 << count) - 1;
      const uint64_t matches = match(burst[b], all, load);
      need(fwrite(&matches, 8, 1, out) == 1, "cannot write");
    }
    munmap(code, bytes);
  }
  need(fclose(out) == 0, "cannot write");
  return 0;
}
