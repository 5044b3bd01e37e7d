package sqlite

import (
	"path/filepath"

	"countersign/internal/store/sqlite/bodies"
	"countersign/internal/store/sqlite/database"
)

// Files are the places of what a store consists of, whether or not it is there.
type Files struct {
	// Database is the file, by the one name that all links lead to.
	Database string
	// Folder is where it is, Bodies the folder of large bodies in that.
	Folder, Bodies string
}

// FilesOf returns the files of the store whose database is at path. Errors:
// fault.Unavailable.
func FilesOf(path string) (Files, error) {
	path, err := database.Resolve(path)
	if err != nil {
		return Files{}, err
	}
	folder := filepath.Dir(path)
	return Files{path, folder, filepath.Join(folder, BodiesName)}, nil
}

// place returns the one name of the database at path and its folder of large
// bodies. Errors are those of FilesOf, and fault.Conflict where that folder is
// another database's.
func place(path string) (string, *bodies.Folder, error) {
	files, err := FilesOf(path)
	if err != nil {
		return "", nil, err
	}
	folder := bodies.New(files.Bodies)
	return files.Database, folder, folder.Belongs(filepath.Base(files.Database))
}
