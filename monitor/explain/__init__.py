"""Why an alarm rang: pure functions from calls before and since a change to an answer in plain terms.

=============  ==========================================================================================
module         question
=============  ==========================================================================================
`when`         in which block did it begin, and which other blocks could it have been?
`where`        does one segment explain the change better than "everywhere"?
`mixture`      do the same kinds of calls behave differently, or do other kinds of calls come?
`changes`      what appeared or vanished then, and how much of the change goes with it?
`words`        which words and phrases became more or less common?
`topics`       which groups of calls grew or shrank, and which calls are typical of both sides?
`explanation`  all of it for one stream
=============  ==========================================================================================

Nothing here reads the store or knows a signal by name. Every answer is descriptive except that of `where`, which
is confirmed on users that were not looked at in the search.
"""
