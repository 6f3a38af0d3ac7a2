/*
 * recmf_tempfile.h
 *	  Temporary files that parallel workers can open.
 *
 * A set of files is a FileSet of PostgreSQL's: temp_tablespaces says where it
 * lies, temp_file_limit and log_temp_files count it.  The process that creates
 * the set deletes it: when its memory context goes, or at the end of the
 * (sub)transaction in which it was made, whichever comes first.  Others open
 * its files for reading by the handle, which may lie in shared memory.
 *
 * Reads and writes are positioned, so any number of processes may read a file
 * at a time; nothing is buffered here, callers move large pieces.  Writing
 * answers cancel between pieces.
 */
#ifndef RECMF_TEMPFILE_H
#define RECMF_TEMPFILE_H

#include "postgres.h"

#include "storage/fileset.h"

#include "recmf_compat.h"

typedef struct RecmfTempFiles RecmfTempFiles;
typedef struct RecmfTempFile RecmfTempFile;

/* Below "parent", owned by the current resource owner. */
extern RecmfTempFiles *recmf_temp_files_create(MemoryContext parent);

/* The same files in another process, to be read. */
extern const FileSet *recmf_temp_files_handle(const RecmfTempFiles *files);
extern RecmfTempFiles *recmf_temp_files_attach(MemoryContext parent, const FileSet *handle);

/* A new file.  Names are literals. */
extern RecmfTempFile *recmf_temp_file_create(RecmfTempFiles *files, const char *name);

/* One that is there, of an attached set; NULL: it is not there any more. */
extern RecmfTempFile *recmf_temp_file_open(RecmfTempFiles *files, const char *name);

/* Gives the space back; the file cannot be used any more. */
extern void recmf_temp_file_delete(RecmfTempFile *file);

/* Raise errors: a full disk or temp_file_limit with a hint, a file that ends early. */
extern void recmf_temp_file_write(RecmfTempFile *file, int64 offset, const void *data, Size size);
extern void recmf_temp_file_read(RecmfTempFile *file, int64 offset, void *data, Size size);

/*
 * Reads where no error may be raised; false if that failed, and then
 * recmf_temp_file_read_error() raises why.
 */
extern bool recmf_temp_file_try_read(RecmfTempFile *file, int64 offset, void *data, Size size);
pg_noreturn extern void recmf_temp_file_read_error(const RecmfTempFile *file);

#endif							/* RECMF_TEMPFILE_H */
