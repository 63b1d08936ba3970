"""Users, RFID tags, energy credit: who may charge and on whose account."""
