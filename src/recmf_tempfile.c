/*
 * recmf_tempfile.c
 *	  Temporary files that parallel workers can open: see recmf_tempfile.h.
 *
 * BufFile would read in pieces of 8 kB into a buffer of its own; training reads
 * long stretches right into its arrays, so these are files of fd.c.
 *
 * Clean-up: the end of a resource owner closes the files that it has, and after
 * that their numbers may stand for others.  So the creator's sets are in a
 * list, through which a callback at that end learns that they are closed, and
 * deletes them.  The memory context's callback does both where it comes first
 * (an aggregate whose result nobody wants, a run that is done).
 *
 * A file stays open in its creator as long as it exists: temp_file_limit
 * counts open files.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "recmf_tempfile.h"

StaticAssertDecl(sizeof(off_t) >= sizeof(int64), "files of ratings may be longer than 2 GB");

/* What is read or written at a time; between two of them interrupts are serviced. */
#define PIECE ((Size) 4 * 1024 * 1024)

#define NO_FILE (-1)

struct RecmfTempFile
{
	slist_node	node;
	RecmfTempFiles *files;
	const char *name;
	File		file;			/* NO_FILE once it is closed */
	int			error;			/* errno of the last failed read; 0: it ended early */
};

struct RecmfTempFiles
{
	dlist_node	node;			/* in "live" */
	MemoryContext context;
	MemoryContextCallback callback;
	ResourceOwner owner;		/* of the open files; NULL once it is gone */
	bool		attached;
	FileSet		set;
	slist_head	members;
};

/* The sets of this process whose owner is still there. */
static dlist_head live = DLIST_STATIC_INIT(live);

static void
close_all(RecmfTempFiles *files, bool owner_closes)
{
	slist_iter	iter;

	slist_foreach(iter, &files->members)
	{
		RecmfTempFile *file = slist_container(RecmfTempFile, node, iter.cur);

		if (file->file != NO_FILE && !owner_closes)
			FileClose(file->file);
		file->file = NO_FILE;
	}
	files->owner = NULL;
	dlist_delete(&files->node);
	if (!files->attached)
		FileSetDeleteAll(&files->set);
}

static void
context_goes(void *arg)
{
	RecmfTempFiles *files = arg;

	if (files->owner != NULL)
		close_all(files, false);
}

static void
owner_goes(ResourceReleasePhase phase, bool is_commit, bool is_top_level, void *arg)
{
	dlist_mutable_iter iter;

	/* where it is called in this phase the owner's files are closed already */
	if (phase != RESOURCE_RELEASE_AFTER_LOCKS)
		return;
	dlist_foreach_modify(iter, &live)
	{
		RecmfTempFiles *files = dlist_container(RecmfTempFiles, node, iter.cur);

		if (files->owner == CurrentResourceOwner)
			close_all(files, true);
	}
}

static RecmfTempFiles *
make_files(MemoryContext parent)
{
	static bool registered = false;
	MemoryContext context = AllocSetContextCreate(parent, "recmf temporary files", ALLOCSET_SMALL_SIZES);
	RecmfTempFiles *files = (RecmfTempFiles *) MemoryContextAllocZero(context, sizeof(RecmfTempFiles));

	if (!registered)
	{
		RegisterResourceReleaseCallback(owner_goes, NULL);
		registered = true;
	}
	files->context = context;
	files->owner = CurrentResourceOwner;
	slist_init(&files->members);
	return files;
}

static void
watch(RecmfTempFiles *files)
{
	dlist_push_tail(&live, &files->node);
	files->callback.func = context_goes;
	files->callback.arg = files;
	MemoryContextRegisterResetCallback(files->context, &files->callback);
}

RecmfTempFiles *
recmf_temp_files_create(MemoryContext parent)
{
	RecmfTempFiles *files = make_files(parent);

	FileSetInit(&files->set);
	watch(files);
	return files;
}

const FileSet *
recmf_temp_files_handle(const RecmfTempFiles *files)
{
	return &files->set;
}

RecmfTempFiles *
recmf_temp_files_attach(MemoryContext parent, const FileSet *handle)
{
	RecmfTempFiles *files = make_files(parent);

	files->attached = true;
	files->set = *handle;
	watch(files);
	return files;
}

/* Only a file that is not there gives NO_FILE; any other trouble is an error of PostgreSQL's. */
static RecmfTempFile *
make_file(RecmfTempFiles *files, const char *name)
{
	RecmfTempFile *file = (RecmfTempFile *) MemoryContextAllocZero(files->context, sizeof(RecmfTempFile));
	ResourceOwner caller = CurrentResourceOwner;

	Assert(files->owner != NULL);
	file->files = files;
	file->name = name;
	file->file = NO_FILE;
	slist_push_head(&files->members, &file->node);

	/* After an error the end of the (sub)transaction puts the owner back. */
	CurrentResourceOwner = files->owner;
	file->file = files->attached ? FileSetOpen(&files->set, name, O_RDONLY) : FileSetCreate(&files->set, name);
	CurrentResourceOwner = caller;
	if (file->file <= 0)
		file->file = NO_FILE;
	return file;
}

RecmfTempFile *
recmf_temp_file_create(RecmfTempFiles *files, const char *name)
{
	return make_file(files, name);
}

RecmfTempFile *
recmf_temp_file_open(RecmfTempFiles *files, const char *name)
{
	RecmfTempFile *file = make_file(files, name);

	return file->file == NO_FILE ? NULL : file;
}

void
recmf_temp_file_delete(RecmfTempFile *file)
{
	FileClose(file->file);
	file->file = NO_FILE;
	FileSetDelete(&file->files->set, file->name, true);
}

/* FileWrite() raises the error of temp_file_limit itself. */
static void
hint_at_limit(void *arg)
{
	if (geterrcode() == ERRCODE_CONFIGURATION_LIMIT_EXCEEDED)
		errhint("The ratings do not fit in recmf.training_memory and go to temporary files. Raise temp_file_limit or recmf.training_memory, or train on fewer ratings.");
}

void
recmf_temp_file_write(RecmfTempFile *file, int64 offset, const void *data, Size size)
{
	ErrorContextCallback callback = {.previous = error_context_stack, .callback = hint_at_limit};
	const char *from = data;

	while (size > 0)
	{
		int			piece = (int) Min(size, PIECE);
		int			written;

		CHECK_FOR_INTERRUPTS();
		error_context_stack = &callback;
		written = FileWrite(file->file, unconstify(char *, from), piece, (off_t) offset, WAIT_EVENT_BUFFILE_WRITE);
		error_context_stack = callback.previous;
		if (written != piece)
		{
			/* FileWrite() makes a short write a full disk; a quota and a limit of the process are the same to the user */
			int			code = errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? ERRCODE_DISK_FULL : ERRCODE_IO_ERROR;

			ereport(ERROR,
					(errcode(code),
					 errmsg("could not write to temporary file \"%s\" of the ratings: %m", file->name),
					 errdetail("The ratings do not fit in recmf.training_memory and go to temporary files."),
					 errhint("Make room, set temp_tablespaces to where there is some, raise recmf.training_memory if the machine has the memory, or train on fewer ratings.")));
		}
		from += piece;
		offset += piece;
		size -= piece;
	}
}

bool
recmf_temp_file_try_read(RecmfTempFile *file, int64 offset, void *data, Size size)
{
	char	   *to = data;

	while (size > 0)
	{
		int			got;

		errno = 0;
		got = FileRead(file->file, to, (int) Min(size, PIECE), (off_t) offset, WAIT_EVENT_BUFFILE_READ);
		if (got <= 0)
		{
			file->error = got < 0 ? errno : 0;
			return false;
		}
		to += got;
		offset += got;
		size -= got;
	}
	return true;
}

void
recmf_temp_file_read_error(const RecmfTempFile *file)
{
	errno = file->error;
	if (file->error != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read temporary file \"%s\" of the ratings: %m", file->name)));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("temporary file \"%s\" of the ratings is shorter than it was written", file->name)));
}

void
recmf_temp_file_read(RecmfTempFile *file, int64 offset, void *data, Size size)
{
	CHECK_FOR_INTERRUPTS();
	if (!recmf_temp_file_try_read(file, offset, data, size))
		recmf_temp_file_read_error(file);
}
