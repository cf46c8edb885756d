"""delab: a data-engineering lab that runs real systems on one machine and checks the work done on them."""
