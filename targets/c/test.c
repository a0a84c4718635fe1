/* Drives every call of the C ABI, right and wrong. Prints what fails and exits with 1; says "ok" otherwise.
 *
 *     test MODEL FOLDER     a small ONNX vision transformer, and a folder to write to
 */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "perennial.h"

static int failures = 0;
static perennial_error error = PERENNIAL_ERROR_INIT;

static void fail(int line, const char *what) {
    fprintf(stderr, "test.c:%d: %s (status %u: %s)\n", line, what, (unsigned)error.status, error.message);
    failures++;
}

#define CHECK(condition) ((condition) ? (void)0 : fail(__LINE__, #condition))
#define GOOD(call) CHECK((call) == PERENNIAL_STATUS_OK)

/* A call that is refused with this status, and a text that says it. */
static int refused(perennial_status have, perennial_status want, const char *part) {
    return have == want && error.status == want && strstr(error.message, part) != NULL;
}
#define BAD(call, status, part) CHECK(refused((call), PERENNIAL_STATUS_##status, part))

/* A flash in memory, which can lose its power. */
#define SIZE (1u << 21)
#define SECTOR 4096u
static struct flash {
    uint8_t bytes[SIZE];
    long left; /* writes until the power goes; below zero for never */
    int synced;
} flash;

static int flash_read(void *context, uint64_t at, uint8_t *bytes, size_t length) {
    memcpy(bytes, ((struct flash *)context)->bytes + at, length);
    return 0;
}
static int flash_write(void *context, uint64_t at, const uint8_t *bytes, size_t length) {
    struct flash *own = context;
    if (own->left == 0) {
        return -5;
    }
    own->left -= own->left > 0;
    memcpy(own->bytes + at, bytes, length);
    return 0;
}
static int flash_erase(void *context, uint64_t from, uint64_t to) {
    memset(((struct flash *)context)->bytes + from, 0xff, (size_t)(to - from));
    return 0;
}
static int flash_sync(void *context) {
    ((struct flash *)context)->synced++;
    return 0;
}

static perennial_medium medium_of(struct flash *own) {
    perennial_medium medium;
    memset(&medium, 0, sizeof medium);
    medium.struct_size = sizeof medium;
    medium.context = own;
    medium.size = SIZE;
    medium.sector = SECTOR;
    medium.word = 1;
    medium.read = flash_read;
    medium.write = flash_write;
    medium.erase = flash_erase;
    medium.sync = flash_sync;
    return medium;
}

/* Pictures of two classes in turns: a coarse pattern a class, with noise. */
static float *pictures(const size_t shape[3], size_t count, unsigned task, unsigned noise) {
    const size_t pixels = shape[0] * shape[1] * shape[2];
    float *all = malloc(count * pixels * sizeof *all);
    uint32_t random = 2463534242u + noise;
    size_t i, p;
    for (i = 0; i < count; i++) {
        for (p = 0; p < pixels; p++) {
            const size_t x = p % shape[2] * 8 / shape[2], y = p / shape[2] % shape[1] * 8 / shape[1];
            const uint32_t cell = (uint32_t)(p / (shape[1] * shape[2]) * 64 + y * 8 + x + 1000 * (2 * task + i % 2));
            const uint32_t mixed = (cell ^ (cell << 7)) * 2654435761u;
            random ^= random << 13, random ^= random >> 17, random ^= random << 5;
            all[i * pixels + p] = ((mixed >> 15) & 1 ? 1.0f : -1.0f) + 0.5f * ((float)random / 4294967296.0f - 0.5f);
        }
    }
    return all;
}

static const char *const NAMES[][2] = {{"bolt", "nut"}, {"cam", "gear"}, {"pin", "rod"}, {"cog", "hub"}};
enum { COUNT = 16, FEW = 6 };

static void label(unsigned task, const char *labels[COUNT]) {
    int i;
    for (i = 0; i < COUNT; i++) {
        labels[i] = NAMES[task][i % 2];
    }
}

static int right(const perennial_prediction *said, size_t count, unsigned task) {
    size_t i;
    int good = 0;
    for (i = 0; i < count; i++) {
        good += strcmp(said[i].name, NAMES[task][i % 2]) == 0;
    }
    return good;
}

static int logged = 0;
static void on_log(void *context, uint32_t level, const char *message) {
    *(int *)context += level >= 1 && level <= 3 && message[0] != 0;
}

static perennial_options small(void) {
    perennial_options options;
    GOOD(perennial_options_default(&options, sizeof options, &error));
    options.blocks = 1;
    options.rank = 2;
    options.batch = 8;
    options.micro = 2;
    options.random_features = 64;
    options.learning_rate = 5e-3f;
    options.log = on_log;
    options.log_context = &logged;
    return options;
}

static void teach(perennial_learner *learner, const size_t shape[3], unsigned task) {
    const char *labels[COUNT];
    perennial_step step = {-1.0f, -1.0f};
    perennial_report report;
    float *images = pictures(shape, COUNT, task, task);
    label(task, labels);
    GOOD(perennial_learner_begin_task(learner, NAMES[task][0], &error));
    BAD(perennial_learner_begin_task(learner, "another", &error), STATE, "open");
    GOOD(perennial_learner_observe(learner, images, COUNT, labels, &step, &error));
    GOOD(perennial_learner_epoch(learner, NULL, &error));
    CHECK(task > 0 || (step.loss > 0 && step.accuracy >= 0));
    BAD(perennial_learner_commit(learner, 0, &error), STATE, "end_task");
    GOOD(perennial_learner_end_task(learner, &report, &error));
    CHECK(report.images == COUNT && report.kept == COUNT && report.state_bytes > 0);
    GOOD(perennial_learner_commit(learner, 1, &error));
    free(images);
}

struct camera {
    const perennial_predictor *predictor;
    const float *images;
    int answers, wrong;
    volatile int stop;
};

static void *watch(void *context) {
    struct camera *own = context;
    perennial_error mine = PERENNIAL_ERROR_INIT;
    perennial_prediction said;
    while (!own->stop || own->answers == 0) {
        own->wrong += perennial_predictor_predict(own->predictor, own->images, 1, &said, sizeof said, &mine) != 0;
        own->answers++;
    }
    return NULL;
}

static void with_backbone(const char *model, perennial_backbone **backbone) {
    perennial_backbone *copy = NULL;
    uint8_t hash[32], again[32];
    FILE *file = fopen(model, "rb");
    long length;
    uint8_t *bytes;
    BAD(perennial_backbone_read(NULL, 0, 0, backbone, &error), INVALID_ARGUMENT, "path is null");
    BAD(perennial_backbone_read("\xff", 0, 0, backbone, &error), INVALID_ARGUMENT, "UTF-8");
    BAD(perennial_backbone_read("no such.onnx", 0, 0, backbone, &error), NOT_FOUND, "no such.onnx");
    BAD(perennial_backbone_read(model, 32, 0, backbone, &error), INVALID_ARGUMENT, "give both");
    BAD(perennial_backbone_read(model, 0, 0, NULL, &error), INVALID_ARGUMENT, "out is null");
    CHECK(*backbone == NULL);
    GOOD(perennial_backbone_read(model, 0, 0, backbone, &error));
    fseek(file, 0, SEEK_END);
    length = ftell(file);
    rewind(file);
    bytes = malloc((size_t)length);
    CHECK(fread(bytes, 1, (size_t)length, file) == (size_t)length);
    fclose(file);
    BAD(perennial_backbone_from_bytes(bytes, (size_t)length / 2, 0, 0, &copy, &error), PARSE, "");
    BAD(perennial_backbone_from_bytes(NULL, 7, 0, 0, &copy, &error), INVALID_ARGUMENT, "bytes is null");
    BAD(perennial_backbone_from_bytes(bytes, SIZE_MAX, 0, 0, &copy, &error), INVALID_ARGUMENT, "more than");
    GOOD(perennial_backbone_from_bytes(bytes, (size_t)length, 0, 0, &copy, &error));
    GOOD(perennial_backbone_sha256(*backbone, hash, &error));
    GOOD(perennial_backbone_sha256(copy, again, &error));
    BAD(perennial_backbone_sha256(NULL, again, &error), INVALID_ARGUMENT, "backbone is null");
    CHECK(memcmp(hash, again, sizeof hash) == 0);
    perennial_backbone_destroy(&copy);
    CHECK(copy == NULL);
    perennial_backbone_destroy(&copy);
    perennial_backbone_destroy(NULL);
    free(bytes);
}

static void with_frames(const perennial_backbone *backbone, const size_t shape[3]) {
    enum { WIDTH = 64, HEIGHT = 48 };
    static uint8_t rgb[HEIGHT][WIDTH][3], bgr[HEIGHT][WIDTH + 5][3], gray[HEIGHT * WIDTH], nv12[HEIGHT * WIDTH * 3 / 2];
    static uint8_t yuyv[HEIGHT * WIDTH * 2];
    const size_t pixels = shape[0] * shape[1] * shape[2];
    float *one = malloc(pixels * sizeof *one), *other = malloc(pixels * sizeof *other);
    perennial_preprocess_options options;
    perennial_preprocess *preprocess = NULL;
    perennial_frame frame, wrong;
    size_t i, x, y;
    for (y = 0; y < HEIGHT; y++) {
        for (x = 0; x < WIDTH; x++) {
            for (i = 0; i < 3; i++) {
                rgb[y][x][i] = bgr[y][x][2 - i] = (uint8_t)(3 * x + 5 * y + 70 * i);
            }
        }
    }
    memset(gray, 90, sizeof gray);
    memset(nv12, 128, sizeof nv12);
    memset(yuyv, 128, sizeof yuyv);
    BAD(perennial_preprocess_default(NULL, sizeof options, 32, &error), INVALID_ARGUMENT, "options is null");
    BAD(perennial_preprocess_default(&options, 4, 32, &error), INVALID_ARGUMENT, "sizeof");
    GOOD(perennial_preprocess_default(&options, sizeof options, (uint32_t)shape[1], &error));
    options.crop = 16;
    BAD(perennial_preprocess_create(backbone, &options, &preprocess, &error), SHAPE, "3x16x16");
    options.crop = (uint32_t)shape[1];
    options.filter = "by eye";
    BAD(perennial_preprocess_create(backbone, &options, &preprocess, &error), INVALID_ARGUMENT, "by eye");
    options.filter = "bilinear";
    options.resize_width = 7;
    BAD(perennial_preprocess_create(backbone, &options, &preprocess, &error), INVALID_ARGUMENT, "not both");
    options.resize_width = 0;
    BAD(perennial_preprocess_create(NULL, &options, &preprocess, &error), INVALID_ARGUMENT, "backbone is null");
    BAD(perennial_preprocess_create(backbone, &options, NULL, &error), INVALID_ARGUMENT, "out is null");
    GOOD(perennial_preprocess_create(backbone, &options, &preprocess, &error));

    memset(&frame, 0, sizeof frame);
    frame.struct_size = sizeof frame;
    frame.format = PERENNIAL_RGB;
    frame.width = WIDTH;
    frame.height = HEIGHT;
    frame.planes[0] = &rgb[0][0][0];
    frame.lengths[0] = sizeof rgb;
    frame.strides[0] = sizeof rgb[0];
    GOOD(perennial_preprocess_frame(preprocess, &frame, one, pixels, &error));
    for (i = 0; i < pixels; i++) {
        CHECK(one[i] >= -1.0f && one[i] <= 1.0f);
    }
    wrong = frame;
    wrong.format = PERENNIAL_BGR;
    wrong.planes[0] = &bgr[0][0][0];
    wrong.lengths[0] = sizeof bgr;
    wrong.strides[0] = sizeof bgr[0];
    GOOD(perennial_preprocess_frame(preprocess, &wrong, other, pixels, &error));
    CHECK(memcmp(one, other, pixels * sizeof *one) == 0);
    wrong = frame, wrong.format = PERENNIAL_GRAY8, wrong.planes[0] = gray, wrong.lengths[0] = sizeof gray, wrong.strides[0] = WIDTH;
    GOOD(perennial_preprocess_frame(preprocess, &wrong, other, pixels, &error));
    CHECK(fabsf(other[0] - (90.0f / 127.5f - 1.0f)) < 1e-5f && other[0] == other[pixels - 1]);
    wrong.format = PERENNIAL_YUYV, wrong.planes[0] = yuyv, wrong.lengths[0] = sizeof yuyv, wrong.strides[0] = 2 * WIDTH;
    GOOD(perennial_preprocess_frame(preprocess, &wrong, other, pixels, &error));
    wrong.format = PERENNIAL_NV12, wrong.planes[0] = nv12, wrong.lengths[0] = sizeof nv12, wrong.strides[0] = WIDTH;
    GOOD(perennial_preprocess_frame(preprocess, &wrong, one, pixels, &error));
    CHECK(memcmp(one, other, pixels * sizeof *one) == 0);
    wrong.format = PERENNIAL_I420, wrong.planes[0] = nv12, wrong.lengths[0] = sizeof nv12;
    GOOD(perennial_preprocess_frame(preprocess, &wrong, one, pixels, &error));
    CHECK(memcmp(one, other, pixels * sizeof *one) == 0);
    wrong.planes[1] = nv12 + HEIGHT * WIDTH, wrong.lengths[1] = HEIGHT * WIDTH / 4, wrong.strides[1] = WIDTH / 2;
    BAD(perennial_preprocess_frame(preprocess, &wrong, one, pixels, &error), INVALID_ARGUMENT, "three");
    wrong.planes[2] = wrong.planes[1] + wrong.lengths[1], wrong.lengths[2] = wrong.lengths[1], wrong.strides[2] = wrong.strides[1];
    GOOD(perennial_preprocess_frame(preprocess, &wrong, one, pixels, &error));
    CHECK(memcmp(one, other, pixels * sizeof *one) == 0);
    wrong.format = PERENNIAL_NV12, wrong.planes[0] = nv12, wrong.planes[2] = NULL;
    wrong.planes[1] = nv12 + HEIGHT * WIDTH, wrong.lengths[1] = HEIGHT * WIDTH / 2, wrong.strides[1] = WIDTH;
    wrong.lengths[0] = HEIGHT * WIDTH, wrong.bt709 = 1, wrong.full_range = 1;
    wrong.x = 5, wrong.y = 3, wrong.region_width = 33, wrong.region_height = 41;
    GOOD(perennial_preprocess_frame(preprocess, &wrong, one, pixels, &error));
    wrong.region_width = 60;
    BAD(perennial_preprocess_frame(preprocess, &wrong, one, pixels, &error), SHAPE, "not inside");
    wrong.region_width = 33, wrong.lengths[1] = 100;
    BAD(perennial_preprocess_frame(preprocess, &wrong, one, pixels, &error), SHAPE, "there are 100");
    wrong = frame, wrong.format = 99;
    BAD(perennial_preprocess_frame(preprocess, &wrong, one, pixels, &error), INVALID_ARGUMENT, "99");
    wrong = frame, wrong.width = 0;
    BAD(perennial_preprocess_frame(preprocess, &wrong, one, pixels, &error), SHAPE, "between 1");
    wrong = frame, wrong.strides[0] = 3;
    BAD(perennial_preprocess_frame(preprocess, &wrong, one, pixels, &error), SHAPE, "stride");
    wrong = frame, wrong.strides[0] = SIZE_MAX / 2;
    BAD(perennial_preprocess_frame(preprocess, &wrong, one, pixels, &error), SHAPE, "more bytes");
    wrong = frame, wrong.planes[0] = NULL;
    BAD(perennial_preprocess_frame(preprocess, &wrong, one, pixels, &error), INVALID_ARGUMENT, "plane is null");
    wrong = frame, wrong.struct_size = 8;
    BAD(perennial_preprocess_frame(preprocess, &wrong, one, pixels, &error), INVALID_ARGUMENT, "struct_size");
    BAD(perennial_preprocess_frame(preprocess, NULL, one, pixels, &error), INVALID_ARGUMENT, "frame is null");
    BAD(perennial_preprocess_frame(preprocess, &frame, NULL, pixels, &error), INVALID_ARGUMENT, "image is null");
    BAD(perennial_preprocess_frame(preprocess, &frame, one, 7, &error), SHAPE, "room for 7");
    BAD(perennial_preprocess_frame(NULL, &frame, one, pixels, &error), INVALID_ARGUMENT, "preprocess is null");
    perennial_preprocess_destroy(&preprocess);
    perennial_preprocess_destroy(&preprocess);
    perennial_preprocess_destroy(NULL);
    CHECK(preprocess == NULL);
    free(one);
    free(other);
}

static void with_options(const perennial_backbone *backbone) {
    perennial_options options;
    perennial_learner *learner = NULL;
    struct {
        perennial_options known;
        uint64_t newer;
    } future;
    BAD(perennial_options_default(NULL, sizeof options, &error), INVALID_ARGUMENT, "options is null");
    BAD(perennial_options_default(&options, 8, &error), INVALID_ARGUMENT, "sizeof");
    options = small();
    options.struct_size = 16;
    BAD(perennial_learner_create(backbone, &options, NULL, &learner, &error), INVALID_ARGUMENT, "struct_size");
    options = small();
    options.engine = "no engine";
    BAD(perennial_learner_create(backbone, &options, NULL, &learner, &error), NOT_FOUND, "no engine");
    options = small();
    options.strategy = "hope";
    BAD(perennial_learner_create(backbone, &options, NULL, &learner, &error), NOT_FOUND, "hope");
    options = small();
    options.ram = 1000;
    BAD(perennial_learner_create(backbone, &options, NULL, &learner, &error), BUDGET, "would do");
    options = small();
    options.micro = 0;
    BAD(perennial_learner_create(backbone, &options, NULL, &learner, &error), INVALID_ARGUMENT, "micro");
    options = small();
    options.batch = 0;
    BAD(perennial_learner_create(backbone, &options, NULL, &learner, &error), INVALID_ARGUMENT, "batch");
    BAD(perennial_learner_create(NULL, NULL, NULL, &learner, &error), INVALID_ARGUMENT, "backbone is null");
    BAD(perennial_learner_create(backbone, NULL, NULL, NULL, &error), INVALID_ARGUMENT, "out is null");
    memset(&future, 0, sizeof future);
    future.known = small();
    future.known.struct_size = sizeof future;
    future.newer = 1;
    BAD(perennial_learner_create(backbone, &future.known, NULL, &learner, &error), UNSUPPORTED, "does not know");
    CHECK(learner == NULL);
    future.newer = 0;
    GOOD(perennial_learner_create(backbone, &future.known, NULL, &learner, &error));
    perennial_learner_destroy(&learner);
}

static void with_texts(perennial_learner *learner) {
    char text[4096], tiny[3];
    size_t needed = 0, classes = 0, tasks = 0;
    uint64_t bytes = 0, stored = 0;
    GOOD(perennial_learner_footprint(learner, &bytes, NULL, 0, &needed, &error));
    CHECK(bytes > 1000000 && needed > 100 && needed < sizeof text);
    GOOD(perennial_learner_footprint(learner, NULL, text, sizeof text, NULL, &error));
    CHECK(strlen(text) + 1 == needed);
    BAD(perennial_learner_footprint(learner, NULL, tiny, sizeof tiny, NULL, &error), BUDGET, "buffer has 3");
    GOOD(perennial_learner_counts(learner, &classes, &tasks, &error));
    CHECK(classes == 4 && tasks == 2);
    GOOD(perennial_learner_class_name(learner, 3, text, sizeof text, &needed, &error));
    CHECK(strcmp(text, "gear") == 0 && needed == 5);
    GOOD(perennial_learner_task_name(learner, 0, text, sizeof text, NULL, &error));
    CHECK(strcmp(text, "bolt") == 0);
    BAD(perennial_learner_class_name(learner, 4, text, sizeof text, NULL, &error), NOT_FOUND, "there are 4");
    BAD(perennial_learner_task_name(learner, 2, text, sizeof text, NULL, &error), NOT_FOUND, "there are 2");
    GOOD(perennial_learner_report_json(learner, NULL, 0, &needed, &error));
    CHECK(needed < sizeof text);
    GOOD(perennial_learner_report_json(learner, text, sizeof text, NULL, &error));
    CHECK(strstr(text, "\"verdict\"") != NULL && strstr(text, "\"cam\"") != NULL);
    GOOD(perennial_learner_state_bytes(learner, &bytes, &stored, &error));
    CHECK(bytes > 1000 && stored > 1000);
}

static void with_learner(const size_t shape[3], perennial_learner *learner) {
    perennial_prediction before[FEW], after[FEW], wide[2];
    const char *labels[COUNT] = {NULL};
    float *ask = pictures(shape, FEW, 1, 99), *bad = pictures(shape, 1, 0, 1);
    perennial_learner *none = NULL;
    perennial_predictor *predictor = NULL;
    uint64_t commits = 0;
    size_t i;
    BAD(perennial_learner_predict(learner, ask, FEW, before, sizeof *before, &error), STATE, "nothing was learned");
    BAD(perennial_learner_end_task(learner, NULL, &error), STATE, "begin_task");
    BAD(perennial_learner_rollback(learner, &error), STATE, "nothing to roll back");
    BAD(perennial_learner_report_json(learner, NULL, 0, NULL, &error), STATE, "no task has ended");
    BAD(perennial_learner_begin_task(learner, NULL, &error), INVALID_ARGUMENT, "name is null");
    BAD(perennial_learner_begin_task(none, "x", &error), INVALID_ARGUMENT, "learner is null");
    BAD(perennial_learner_observe(learner, ask, 1, NULL, NULL, &error), INVALID_ARGUMENT, "labels is null");
    BAD(perennial_learner_observe(learner, ask, 1, labels, NULL, &error), INVALID_ARGUMENT, "labels is null");
    BAD(perennial_learner_predictor(learner, NULL, &error), INVALID_ARGUMENT, "out is null");
    GOOD(perennial_learner_predictor(learner, &predictor, &error));
    BAD(perennial_predictor_predict(predictor, ask, 1, before, sizeof *before, &error), STATE, "nothing was learned");
    teach(learner, shape, 0);
    teach(learner, shape, 1);
    GOOD(perennial_predictor_predict(predictor, ask, FEW, after, sizeof *after, &error));
    GOOD(perennial_learner_predict(learner, ask, FEW, before, sizeof *before, &error));
    CHECK(memcmp(before, after, sizeof before) == 0);
    CHECK(right(after, FEW, 1) >= FEW - 1);
    GOOD(perennial_predictor_commits(predictor, &commits, &error));
    CHECK(commits == 2);
    /* Answers in structs that are larger than the library knows. */
    GOOD(perennial_predictor_predict(predictor, ask, 1, wide, sizeof wide, &error));
    CHECK(memcmp(wide, before, sizeof *before) == 0);
    BAD(perennial_predictor_predict(predictor, ask, 1, before, 8, &error), INVALID_ARGUMENT, "sizeof");
    BAD(perennial_predictor_predict(predictor, ask, 1, NULL, sizeof *before, &error), INVALID_ARGUMENT, "null");
    BAD(perennial_predictor_predict(predictor, NULL, 1, before, sizeof *before, &error), INVALID_ARGUMENT, "images is null");
    BAD(perennial_predictor_predict(predictor, ask, SIZE_MAX, before, sizeof *before, &error), INVALID_ARGUMENT, "images");
    BAD(perennial_predictor_predict(NULL, ask, 1, before, sizeof *before, &error), INVALID_ARGUMENT, "predictor is null");
    bad[5] = NAN;
    BAD(perennial_predictor_predict(predictor, bad, 1, before, sizeof *before, &error), NUMERIC, "NaN");
    with_texts(learner);
    /* A task that is taken back leaves nothing. */
    for (i = 0; i < 4; i++) { /* a frozen camera: one picture, over and over */
        labels[i] = "new";
        memcpy(ask + i * shape[0] * shape[1] * shape[2], ask, shape[0] * shape[1] * shape[2] * sizeof *ask);
    }
    GOOD(perennial_learner_begin_task(learner, "third", &error));
    GOOD(perennial_learner_observe(learner, ask, 4, labels, NULL, &error));
    GOOD(perennial_learner_end_task(learner, NULL, &error));
    BAD(perennial_learner_commit(learner, 0, &error), REFUSED, "commit_anyway");
    GOOD(perennial_learner_rollback(learner, &error));
    GOOD(perennial_learner_predict(learner, ask, 1, before, sizeof *before, &error));
    CHECK(memcmp(before, after, sizeof *before) == 0);
    free(ask);
    free(bad);
    perennial_predictor_destroy(&predictor);
    perennial_predictor_destroy(&predictor);
    CHECK(predictor == NULL);
}

/* Names that are longer than an answer has room for are cut between characters. */
static void with_long_names(const size_t shape[3], perennial_learner *learner) {
    const char *labels[COUNT], *name = "Sechskantschraube mit Flansch, schwarz verg\xc3\xbctet, f\xc3\xbcr Stahltr\xc3\xa4ger";
    float *images = pictures(shape, COUNT, 4, 4);
    perennial_prediction said;
    char text[128];
    size_t i, length;
    for (i = 0; i < COUNT; i++) {
        labels[i] = i % 2 ? "rivet" : name;
    }
    GOOD(perennial_learner_begin_task(learner, "bolts", &error));
    GOOD(perennial_learner_observe(learner, images, COUNT, labels, NULL, &error));
    GOOD(perennial_learner_end_task(learner, NULL, &error));
    GOOD(perennial_learner_predict(learner, images, 1, &said, sizeof said, &error));
    length = strlen(said.name);
    CHECK(length >= PERENNIAL_NAME - 2 && length < PERENNIAL_NAME && strncmp(said.name, name, length) == 0);
    CHECK(((unsigned char)name[length] & 0xc0) != 0x80);
    GOOD(perennial_learner_class_name(learner, said.class_index, text, sizeof text, NULL, &error));
    CHECK(strcmp(text, name) == 0);
    GOOD(perennial_learner_rollback(learner, &error));
    free(images);
}

/* Whether a learner from `state` answers as `learner` does. */
static void resumed(const perennial_backbone *backbone, const size_t shape[3], perennial_learner *learner,
                    perennial_state **state) {
    perennial_options options = small();
    perennial_learner *other = NULL;
    perennial_prediction here[FEW], there[FEW];
    float *ask = pictures(shape, FEW, 0, 7);
    GOOD(perennial_learner_create(backbone, &options, *state, &other, &error));
    perennial_state_destroy(state);
    CHECK(*state == NULL);
    GOOD(perennial_learner_predict(learner, ask, FEW, here, sizeof *here, &error));
    GOOD(perennial_learner_predict(other, ask, FEW, there, sizeof *there, &error));
    CHECK(memcmp(here, there, sizeof here) == 0);
    perennial_learner_destroy(&other);
    free(ask);
}

static void with_storage(const perennial_backbone *backbone, const size_t shape[3], perennial_learner *learner,
                         const char *folder) {
    perennial_medium medium = medium_of(&flash), wrong;
    perennial_state *state = NULL;
    uint8_t key[32] = {1, 2, 3}, other[32] = {4};
    char path[1024];
    BAD(perennial_medium_format(NULL, &error), INVALID_ARGUMENT, "medium is null");
    wrong = medium, wrong.read = NULL;
    BAD(perennial_medium_format(&wrong, &error), INVALID_ARGUMENT, "needs read");
    wrong = medium, wrong.size = SIZE + 1;
    BAD(perennial_medium_format(&wrong, &error), INVALID_ARGUMENT, "multiple");
    wrong = medium, wrong.struct_size = 8;
    BAD(perennial_medium_format(&wrong, &error), INVALID_ARGUMENT, "struct_size");
    flash.left = -1;
    memset(flash.bytes, 0x55, sizeof flash.bytes);
    BAD(perennial_state_load(&medium, NULL, &state, &error), CORRUPT, "format");
    GOOD(perennial_medium_format(&medium, &error));
    BAD(perennial_state_load(&medium, NULL, &state, &error), NOT_FOUND, "learn something");
    GOOD(perennial_learner_save(learner, &medium, NULL, &error));
    CHECK(flash.synced > 0);
    GOOD(perennial_state_load(&medium, NULL, &state, &error));
    resumed(backbone, shape, learner, &state);
    /* The power goes in the middle of the next save: the state before it is still there, and the log of the next save says so. */
    flash.left = 1;
    BAD(perennial_learner_save(learner, &medium, NULL, &error), IO, "-5");
    flash.left = -1;
    GOOD(perennial_state_load(&medium, NULL, &state, &error));
    resumed(backbone, shape, learner, &state);
    logged = 0;
    GOOD(perennial_learner_save(learner, &medium, NULL, &error));
    CHECK(logged > 0);
    BAD(perennial_state_load(&medium, NULL, NULL, &error), INVALID_ARGUMENT, "out is null");
    BAD(perennial_learner_save(NULL, &medium, NULL, &error), INVALID_ARGUMENT, "learner is null");
    GOOD(perennial_medium_format(&medium, &error));
    GOOD(perennial_learner_save(learner, &medium, key, &error));
    BAD(perennial_state_load(&medium, NULL, &state, &error), MISMATCH, "key");
    BAD(perennial_state_load(&medium, other, &state, &error), MISMATCH, "key");
    GOOD(perennial_state_load(&medium, key, &state, &error));
    resumed(backbone, shape, learner, &state);

    snprintf(path, sizeof path, "%s/robot.state", folder);
    BAD(perennial_state_load_file(path, NULL, &state, &error), NOT_FOUND, "robot.state");
    BAD(perennial_learner_save_file(learner, "/no/such/folder/x", NULL, &error), IO, "unchanged");
    GOOD(perennial_learner_save_file(learner, path, NULL, &error));
    GOOD(perennial_state_load_file(path, NULL, &state, &error));
    resumed(backbone, shape, learner, &state);
    GOOD(perennial_learner_save_file(learner, path, key, &error));
    BAD(perennial_state_load_file(path, NULL, &state, &error), MISMATCH, "key");
    GOOD(perennial_state_load_file(path, key, &state, &error));
    perennial_state_destroy(&state);
    perennial_state_destroy(NULL);
}

/* One learns a task and signs what it taught; another, which began from the same state, takes it over. */
static void with_bundles(const perennial_backbone *backbone, const size_t shape[3], const char *folder) {
    uint8_t secret[32] = {9, 8, 7}, makers[2][32], id[32], zero[32] = {0};
    perennial_preprocess_options pixels;
    perennial_preprocess *preprocess = NULL, *other = NULL;
    perennial_options options = small();
    perennial_bundle_options said;
    perennial_learner *maker = NULL, *taker = NULL;
    perennial_state *state = NULL;
    perennial_bundle *bundle = NULL, *read = NULL;
    perennial_prediction *answers = malloc(COUNT * sizeof *answers);
    float *images = pictures(shape, COUNT, 1, 77);
    const char *labels[COUNT];
    const uint8_t *content = NULL;
    uint8_t *copy;
    size_t length = 0, classes = 0, needed = 0;
    uint32_t outcome = 99;
    char path[1024], text[2048];
    snprintf(path, sizeof path, "%s/common.state", folder);
    options.sharing = 1;
    options.spill_folder = folder;
    options.spill = 1 << 20;
    options.cache = 1 << 16;
    GOOD(perennial_preprocess_default(&pixels, sizeof pixels, (uint32_t)shape[1], &error));
    GOOD(perennial_preprocess_create(backbone, &pixels, &preprocess, &error));
    pixels.mean[0] = 0.1f;
    GOOD(perennial_preprocess_create(backbone, &pixels, &other, &error));
    GOOD(perennial_maker(secret, makers[1], &error));
    memset(makers[0], 0x11, sizeof makers[0]);
    GOOD(perennial_maker(makers[0], makers[0], &error));
    BAD(perennial_maker(NULL, makers[1], &error), INVALID_ARGUMENT, "secret is null");

    GOOD(perennial_learner_create(backbone, &options, NULL, &maker, &error));
    teach(maker, shape, 0);
    GOOD(perennial_learner_save_file(maker, path, NULL, &error));
    GOOD(perennial_state_load_file(path, NULL, &state, &error));
    GOOD(perennial_learner_create(backbone, &options, state, &taker, &error));
    perennial_state_destroy(&state);
    memset(&said, 0, sizeof said);
    said.struct_size = sizeof said;
    said.counter = 1;
    said.note = "cell 4";
    BAD(perennial_learner_bundle(maker, preprocess, &said, secret, &bundle, &error), STATE, "no task has just ended");
    label(1, labels);
    GOOD(perennial_learner_begin_task(maker, "cam", &error));
    GOOD(perennial_learner_observe(maker, images, COUNT, labels, NULL, &error));
    GOOD(perennial_learner_end_task(maker, NULL, &error));
    BAD(perennial_learner_bundle(maker, NULL, &said, secret, &bundle, &error), INVALID_ARGUMENT, "preprocess is null");
    BAD(perennial_learner_bundle(maker, preprocess, NULL, secret, &bundle, &error), INVALID_ARGUMENT, "options is null");
    BAD(perennial_learner_bundle(maker, preprocess, &said, NULL, &bundle, &error), INVALID_ARGUMENT, "secret is null");
    BAD(perennial_learner_bundle(maker, preprocess, &said, secret, NULL, &error), INVALID_ARGUMENT, "out is null");
    GOOD(perennial_learner_bundle(maker, preprocess, &said, secret, &bundle, &error));
    GOOD(perennial_learner_commit(maker, 1, &error));

    GOOD(perennial_bundle_bytes(bundle, &content, &length, zero, id, &error));
    CHECK(length > 100 && memcmp(content, "PRNB", 4) == 0 && memcmp(zero, makers[1], 32) == 0);
    BAD(perennial_bundle_bytes(bundle, NULL, &length, NULL, NULL, &error), INVALID_ARGUMENT, "content is null");
    BAD(perennial_bundle_bytes(NULL, &content, &length, NULL, NULL, &error), INVALID_ARGUMENT, "bundle is null");
    copy = malloc(length);
    memcpy(copy, content, length);
    copy[length - 1] ^= 1;
    BAD(perennial_bundle_read(copy, length, &read, &error), CORRUPT, "signature");
    BAD(perennial_bundle_read(copy, 20, &read, &error), CORRUPT, "no bundle");
    copy[length - 1] ^= 1;
    GOOD(perennial_bundle_read(copy, length, &read, &error));
    free(copy);

    BAD(perennial_learner_take(taker, read, preprocess, makers[0], 1, 0, NULL, &outcome, &error), MISMATCH, "trust");
    BAD(perennial_learner_take(taker, read, other, makers[0], 2, 0, NULL, &outcome, &error), MISMATCH, "preprocess");
    BAD(perennial_learner_take(taker, NULL, preprocess, makers[0], 2, 0, NULL, &outcome, &error), INVALID_ARGUMENT, "bundle is null");
    BAD(perennial_learner_take(taker, read, preprocess, NULL, 2, 0, NULL, &outcome, &error), INVALID_ARGUMENT, "makers is null");
    BAD(perennial_learner_take(taker, read, preprocess, makers[0], 2, 0, NULL, NULL, &error), INVALID_ARGUMENT, "outcome is null");
    GOOD(perennial_learner_counts(taker, &classes, NULL, &error));
    CHECK(classes == 2);
    GOOD(perennial_learner_take(taker, read, preprocess, makers[0], 2, 0, "from cell 4", &outcome, &error));
    CHECK(outcome == PERENNIAL_TAKEN);
    GOOD(perennial_learner_counts(taker, &classes, NULL, &error));
    CHECK(classes == 4);
    GOOD(perennial_learner_predict(taker, images, COUNT, answers, sizeof *answers, &error));
    CHECK(right(answers, COUNT, 1) >= COUNT - 2);
    GOOD(perennial_learner_take(taker, read, preprocess, makers[0], 2, 0, NULL, &outcome, &error));
    CHECK(outcome == PERENNIAL_ALREADY);
    GOOD(perennial_learner_task_name(taker, 1, text, sizeof text, &needed, &error));
    CHECK(strcmp(text, "from cell 4") == 0);
    BAD(perennial_learner_task_receipt(taker, 1, text, sizeof text, &needed, &error), UNSUPPORTED, "bundle");
    GOOD(perennial_learner_task_receipt(maker, 1, text, sizeof text, &needed, &error));
    CHECK(strstr(text, "\"passes\":1") != NULL && strlen(text) + 1 == needed);
    BAD(perennial_learner_task_receipt(maker, 9, text, sizeof text, &needed, &error), NOT_FOUND, "no task 9");

    perennial_bundle_destroy(&bundle);
    perennial_bundle_destroy(&bundle);
    perennial_bundle_destroy(&read);
    perennial_bundle_destroy(NULL);
    perennial_preprocess_destroy(&preprocess);
    perennial_preprocess_destroy(&other);
    perennial_learner_destroy(&maker);
    perennial_learner_destroy(&taker);
    free(answers);
    free(images);
}

static void with_background(const size_t shape[3], perennial_learner **learner) {
    perennial_background *background = NULL;
    perennial_background_options options;
    perennial_progress progress;
    perennial_error lesson = PERENNIAL_ERROR_INIT;
    perennial_predictor *predictor = NULL;
    const char *labels[COUNT];
    float *images = pictures(shape, COUNT, 2, 2), *same = pictures(shape, COUNT, 3, 3);
    uint32_t working = 1;
    int slices = 0, i;
    struct camera camera;
    pthread_t thread;
    label(2, labels);
    memset(&options, 0, sizeof options);
    BAD(perennial_background_create(learner, &options, &background, &error), INVALID_ARGUMENT, "struct_size");
    options.struct_size = sizeof options;
    BAD(perennial_background_create(learner, &options, &background, &error), INVALID_ARGUMENT, "above 0");
    BAD(perennial_background_create(learner, NULL, NULL, &error), INVALID_ARGUMENT, "null");
    CHECK(*learner != NULL);
    options.threads = 1;
    options.queue = 1;
    options.paused = 1;
    options.nice = 1;
    options.set_nice = 1;
    GOOD(perennial_background_create(learner, &options, &background, &error));
    CHECK(*learner == NULL);
    GOOD(perennial_background_predictor(background, &predictor, &error));
    BAD(perennial_background_teach(background, "x", images, 0, labels, 1, &error), INVALID_ARGUMENT, "without images");
    BAD(perennial_background_teach(background, NULL, images, COUNT, labels, 1, &error), INVALID_ARGUMENT, "name");
    GOOD(perennial_background_teach(background, "pins", images, COUNT, labels, 2, &error));
    GOOD(perennial_background_poll(background, 0, &progress, NULL, &error));
    CHECK(progress.waiting == 1 && progress.kept == 0);
    /* Nothing is learned but in slices of a millisecond; a camera is answered meanwhile. */
    camera.predictor = predictor, camera.images = images, camera.answers = camera.wrong = camera.stop = 0;
    CHECK(pthread_create(&thread, NULL, watch, &camera) == 0);
    while (working && slices < 100000) {
        GOOD(perennial_background_step(background, 1000, &working, &error));
        slices++;
    }
    camera.stop = 1;
    CHECK(pthread_join(thread, NULL) == 0 && camera.answers > 0 && camera.wrong == 0);
    CHECK(slices > 3 && slices < 100000);
    GOOD(perennial_background_poll(background, 1000, &progress, &lesson, &error));
    CHECK(progress.waiting == 0 && progress.kept + progress.refused == 1 && progress.failed == 0);
    /* Too many at once, one that is interrupted, and one with a picture that is none. */
    label(3, labels);
    for (i = 0; i < 2;) { /* one that the learner takes out of the queue, and one in it */
        i += perennial_background_teach(background, "hubs", same, COUNT, labels, 2, &error) == 0;
    }
    BAD(perennial_background_teach(background, "hubs", same, COUNT, labels, 2, &error), BUDGET, "queue");
    GOOD(perennial_background_step(background, 0, &working, &error));
    GOOD(perennial_background_step(background, 0, &working, &error));
    CHECK(working == 1);
    GOOD(perennial_background_interrupt(background, &error));
    GOOD(perennial_background_pause(background, 0, &error));
    GOOD(perennial_background_poll(background, 60000, &progress, &lesson, &error));
    CHECK(progress.waiting == 0 && progress.failed == 1);
    CHECK(lesson.status == PERENNIAL_STATUS_INTERRUPTED && strstr(lesson.message, "interrupted") != NULL);
    same[3] = INFINITY;
    GOOD(perennial_background_teach(background, "broken", same, COUNT, labels, 1, &error));
    GOOD(perennial_background_poll(background, 60000, &progress, &lesson, &error));
    CHECK(progress.failed == 1 && lesson.status == PERENNIAL_STATUS_NUMERIC && strstr(lesson.message, "infinity") != NULL);
    GOOD(perennial_background_pause(background, 1, &error));
    BAD(perennial_background_step(NULL, 0, NULL, &error), INVALID_ARGUMENT, "background is null");
    BAD(perennial_background_poll(background, 0, NULL, &lesson, &error), INVALID_ARGUMENT, "progress is null");
    BAD(perennial_background_finish(&background, NULL, &error), INVALID_ARGUMENT, "learner is null");
    GOOD(perennial_background_finish(&background, learner, &error));
    CHECK(background == NULL && *learner != NULL);
    BAD(perennial_background_finish(&background, learner, &error), INVALID_ARGUMENT, "background is null");
    GOOD(perennial_background_create(learner, NULL, &background, &error));
    perennial_background_destroy(&background);
    perennial_background_destroy(&background);
    perennial_predictor_destroy(&predictor);
    free(images);
    free(same);
}

static void with_forgetting(const size_t shape[3], perennial_learner *learner) {
    perennial_prediction before[FEW], after[FEW];
    float *ask = pictures(shape, FEW, 1, 42);
    GOOD(perennial_learner_predict(learner, ask, FEW, before, sizeof *before, &error));
    BAD(perennial_learner_forget_class(learner, "spanner", &error), NOT_FOUND, "known are");
    BAD(perennial_learner_forget_class(learner, NULL, &error), INVALID_ARGUMENT, "name is null");
    GOOD(perennial_learner_forget_class(learner, "nut", &error));
    GOOD(perennial_learner_predict(learner, ask, FEW, after, sizeof *after, &error));
    CHECK(before[0].score == after[0].score && strcmp(before[0].name, after[0].name) == 0);
    BAD(perennial_learner_forget_task(learner, "nowhere", &error), NOT_FOUND, "nowhere");
    GOOD(perennial_learner_forget_task(learner, "bolt", &error));
    free(ask);
}

int main(int count, char **arguments) {
    perennial_backbone *backbone = NULL;
    perennial_learner *learner = NULL;
    perennial_options options;
    size_t shape[3] = {0, 0, 0};
    perennial_error unsized_error;
    if (count != 3) {
        fprintf(stderr, "usage: test MODEL FOLDER\n");
        return 2;
    }
    printf("perennial %s\n", perennial_version());
    with_backbone(arguments[1], &backbone);
    with_options(backbone);
    options = small();
    GOOD(perennial_learner_create(backbone, &options, NULL, &learner, &error));
    GOOD(perennial_learner_image_shape(learner, shape, &error));
    BAD(perennial_learner_image_shape(learner, NULL, &error), INVALID_ARGUMENT, "shape is null");
    with_frames(backbone, shape);
    with_learner(shape, learner);
    with_long_names(shape, learner);
    with_storage(backbone, shape, learner, arguments[2]);
    with_forgetting(shape, learner);
    with_bundles(backbone, shape, arguments[2]);
    with_background(shape, &learner);
    /* Errors that nobody wants, and ones without a size. */
    memset(&unsized_error, 0, sizeof unsized_error);
    CHECK(perennial_learner_rollback(NULL, NULL) == PERENNIAL_STATUS_INVALID_ARGUMENT);
    CHECK(perennial_learner_rollback(NULL, &unsized_error) == PERENNIAL_STATUS_INVALID_ARGUMENT);
    CHECK(unsized_error.message[0] == 0);
    perennial_learner_destroy(&learner);
    perennial_learner_destroy(&learner);
    perennial_backbone_destroy(&backbone);
    if (failures == 0) {
        printf("ok\n");
    }
    return failures != 0;
}
