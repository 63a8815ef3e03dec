/* report.h - scores as reports for a job's page (workers/task/port.h). */
#ifndef TENGEN_VISION_REPORT_H
#define TENGEN_VISION_REPORT_H

#include "workers/vision/score.h"

/* Sends "confusion" (of the classes that occur, where they are at most CONFUSION_CLASSES_MAX), "classes"
 * {"items":
 * [{"class", "accuracy", "count"}]} (of those that images are of) and "samples": `samples` images, half of
 * them at random, half the mistakes made with most confidence. 0 or the port's error. */
enum { CONFUSION_CLASSES_MAX = 200 };
int report_scores(struct port *port, const struct image_set *set, const struct image_part *part,
                  const struct scores *scores, int samples, uint64_t seed);

/* {"PART_accuracy", "PART_accuracy_low", "PART_accuracy_high", "PART_loss", "PART_top5", "PART_images"} added to
 * an object; without "PART_" where the part is "", a whole set. */
int add_scores(json_t *summary, const char *part, const struct scores *scores);

/* The only unit of a run: what ends the task for the coordinator. */
int send_result(struct port *port, const json_t *summary, int64_t images);

#endif
