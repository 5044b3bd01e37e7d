package advice

import "countersign/internal/smtp"

// later is about a trouble that passes.
func later(title, meaning, provider string) Advice {
	return Advice{title, meaning, []string{tryLater}, provider}
}

// troubles are the server's own.
func troubles() []row {
	const ours = "This is the server's trouble, not yours: your settings are right."
	const look = "The id at the end of the answer leads to what happened. If it goes on, the server needs looking after."
	return []row{
		{smtp.EShutdown, later("The server is being restarted", "It stops and starts again, as for an update. What was accepted before is kept and goes out.", "")},
		{smtp.ESessionFailed, later("Something went wrong on the server", ours, look)},
		{smtp.ESigningUnavailable, later("The message could not be signed", "Each message gets a signature by which recipients know that it is genuine. That could not be made just then. "+ours, look)},
		{smtp.EStoreFull, later("The server has no room at the moment", ours+" It stops taking messages before there is no room for those that it has.", look)},
		{smtp.EInternal, later("Something went wrong on the server", ours, look)},
		{smtp.EBusy, later("The server is busy", ours, "")},
		{smtp.EUnavailable, later("This cannot be done at the moment", ours, look)},
		{smtp.ECanceled, later("This was interrupted", ours, "")},
	}
}
