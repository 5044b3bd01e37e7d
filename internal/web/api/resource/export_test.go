package resource

// OwnReasons is ownReasons, for the test that they exist.
var OwnReasons = ownReasons
