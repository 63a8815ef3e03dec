/* sgf_text.h - character sets of SGF. Private to workers/go. */
#ifndef TENGEN_GO_SGF_TEXT_H
#define TENGEN_GO_SGF_TEXT_H

#include "workers/go/sgf.h"

/* Makes the record's text UTF-8 as its CA[] says, or leaves it and clears record->utf8. 0 or the buffer's
 * error. */
int sgf_text_to_utf8(struct sgf_record *record);
bool utf8_valid(const void *text, size_t length);
/* Makes it printable: bytes that are no UTF-8 become '?', control characters become spaces. */
void utf8_mend(char *text);

#endif
