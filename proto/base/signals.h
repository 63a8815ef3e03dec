/* signals.h - SIGTERM and SIGINT while a program starts.
 *
 * A program that ends in order when it is told to must not die of being told too early: between the first
 * line of main and the handlers. The signals are held back there, and reach the handlers when they are let
 * go.
 */
#ifndef TENGEN_BASE_SIGNALS_H
#define TENGEN_BASE_SIGNALS_H

/* First thing in main, before any thread is there: what comes is kept (one of each) until signals_release. */
void signals_hold(void);

/* Once the handlers are installed, or where the program is content to die. The calling thread only. */
void signals_release(void);

#endif
