"""What stands behind `./run`: starts the processes of one machine, starts again what dies, stops all in order."""
